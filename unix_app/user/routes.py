"""The routes of the service ``user``."""

from __future__ import annotations

from unix_app.user.controllers import Users
from unix_app.user.users import NoSuchUser
from unixsvc import DELETE, GET, PATCH, POST, PUT, Group

__all__ = ["ROUTES"]

ROUTES = [
    Group("/user", Users, [
        GET("", Users.index, blocking=True, title="List users"),
        POST("", Users.create, blocking=True, title="Add a user"),
        GET("/{id:int}", Users.show, blocking=True, title="Get a user", errors=[NoSuchUser]),
        # A user has only one field that can change, so PUT and PATCH are the same.
        PUT("/{id:int}", Users.update, blocking=True, title="Change a user", errors=[NoSuchUser]),
        PATCH("/{id:int}", Users.update, blocking=True, title="Change a user", errors=[NoSuchUser]),
        DELETE("/{id:int}", Users.delete, blocking=True, title="Remove a user", errors=[NoSuchUser]),
    ]),
]  # fmt: skip
