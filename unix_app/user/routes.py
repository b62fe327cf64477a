"""What the service ``user`` answers, at a glance."""

from __future__ import annotations

from unix_app.user.controllers import Users
from unix_app.user.users import NoSuchUser
from unixsvc import DELETE, GET, PATCH, POST, PUT, Group

__all__ = ["ROUTES"]

ROUTES = [
    Group("/user", Users, [
        GET("", Users.index, blocking=True, title="Some users, by id"),
        POST("", Users.create, blocking=True, title="Adds a user"),
        GET("/{id:int}", Users.show, blocking=True, title="One user", errors=[NoSuchUser]),
        # A user has one field to change, so to replace it and to change it are the same.
        PUT("/{id:int}", Users.update, blocking=True, title="Changes a user", errors=[NoSuchUser]),
        PATCH("/{id:int}", Users.update, blocking=True, title="Changes a user", errors=[NoSuchUser]),
        DELETE("/{id:int}", Users.delete, blocking=True, title="Removes a user", errors=[NoSuchUser]),
    ]),
]  # fmt: skip
