"""The gates of a service's routes, in the order in which requests pass them."""

from __future__ import annotations

from unixsvc.routing.app import App
from unixsvc.routing.gates import GateFactory
from unixsvc.service.spec import WorkerConfig

__all__ = ["make_gates"]


def make_gates(app: App, config: WorkerConfig) -> list[GateFactory]:
    """Return what makes the gates of each route: first who the user is, then what limits requests."""
    return []
