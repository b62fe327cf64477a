"""The service ``home``: a greeting."""

from __future__ import annotations

from unix_app.home.routes import ROUTES
from unixsvc import App

__all__ = ["app"]

app = App(routes=ROUTES, title="Home", version="1.0")
