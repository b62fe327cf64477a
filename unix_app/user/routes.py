"""What the service ``user`` answers, at a glance."""

from __future__ import annotations

from unix_app.user.controllers import Users
from unixsvc import DELETE, GET, PATCH, POST, PUT, Group

__all__ = ["ROUTES"]

ROUTES = [
    Group("/user", Users, [
        GET("", Users.index, blocking=True, title="Some users, by id"),
        POST("", Users.create, blocking=True, title="Adds a user"),
        GET("/{id:int}", Users.show, blocking=True, title="One user"),
        # A user has one field to change, so to replace it and to change it are the same.
        PUT("/{id:int}", Users.update, blocking=True, title="Changes a user"),
        PATCH("/{id:int}", Users.update, blocking=True, title="Changes a user"),
        DELETE("/{id:int}", Users.delete, blocking=True, title="Removes a user"),
    ]),
]  # fmt: skip
