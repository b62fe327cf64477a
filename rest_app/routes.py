"""The routes that the demo over HTTP answers itself."""

from __future__ import annotations

from rest_app.controllers import Home, Pictures
from unix_app.user.controllers import Users
from unix_app.user.users import NoSuchUser
from unixsvc import DELETE, GET, PATCH, POST, PUT, Group

__all__ = ["ROUTES"]

ROUTES = [
    Group("", Home, [
        GET("/", Home.index, public=True, title="Greeting"),
        GET("/ticks", Home.ticks, public=True, title="Ticks, as a stream"),
    ]),
    Group("/pictures", Pictures, [
        POST("", Pictures.add, public=True, max_body=1_000_000, title="Send a picture"),
    ]),
    # The controllers of the service "user". Reading is public; changes need the token.
    Group("/user", Users, [
        GET("", Users.index, blocking=True, public=True, title="List users"),
        POST("", Users.create, blocking=True, title="Add a user"),
        GET("/{id:int}", Users.show, blocking=True, public=True, title="Get a user", errors=[NoSuchUser]),
        PUT("/{id:int}", Users.update, blocking=True, title="Change a user", errors=[NoSuchUser]),
        PATCH("/{id:int}", Users.update, blocking=True, title="Change a user", errors=[NoSuchUser]),
        DELETE("/{id:int}", Users.delete, blocking=True, title="Remove a user", errors=[NoSuchUser]),
    ]),
]  # fmt: skip
