"""The application with each kind of result."""

from __future__ import annotations

from tests.conformance.every_kind.results import ROUTES
from unixsvc import App

app = App(ROUTES)
