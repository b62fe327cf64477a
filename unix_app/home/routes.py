"""The routes of the service ``home``."""

from __future__ import annotations

from unix_app.home.controllers import Home
from unixsvc import GET, Group

__all__ = ["ROUTES"]

ROUTES = [
    Group("", Home, [
        GET("/", Home.index, public=True, title="Greeting"),
    ]),
]  # fmt: skip
