"""The demo over HTTP: its own controllers and pages, those of a Unix service, and that service mounted.

The configuration defines the mounts: ``/users`` is ``/user`` of the service ``user``.
"""

from __future__ import annotations

from rest_app.container import register
from rest_app.pages import add_pages
from rest_app.routes import ROUTES
from unixsvc import App

__all__ = ["app"]

app = App(routes=ROUTES, container=register, web=add_pages, title="The demo of unixsvc", version="1.0")
