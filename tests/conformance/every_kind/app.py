"""The application; each module beside this one has the routes of one subject."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.conformance.every_kind import (
    files,
    limits,
    models,
    parts,
    results,
    uploads,
    users,
    websockets,
)
from unixsvc import App, Group, Route

__all__ = ["app"]

ROUTES: Final[Sequence[Group | Route]] = (
    *files.ROUTES,
    *limits.ROUTES,
    *models.ROUTES,
    *parts.ROUTES,
    *results.ROUTES,
    *uploads.ROUTES,
    *users.ROUTES,
    *websockets.ROUTES,
)

app = App(
    ROUTES,
    title="Every kind of parameter and result",
    version="1.0",
    authenticate=users.SCHEMES,
    interceptors=limits.INTERCEPTORS,
)
