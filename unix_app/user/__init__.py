"""The service ``user``: a store of users."""

from __future__ import annotations

from unix_app.user.container import register
from unix_app.user.routes import ROUTES
from unixsvc import App

__all__ = ["app"]

app = App(routes=ROUTES, container=register, title="Users", version="1.0")
