"""The orchestrator's own service: what it tells of itself to those who hold the token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import svcs
from msgspec import Struct

from unixsvc.domain.interfaces import IOrchestrator
from unixsvc.orchestrator.status import ServiceStatus
from unixsvc.routing.app import App
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.route import GET, Group

__all__ = ["Control", "ServiceEntry", "control_app"]


class ServiceEntry(Struct, frozen=True):
    """A service that is configured here.

    :ivar app: where its application is.
    """

    name: str
    app: str
    status: str


class Control:
    """Answers for the orchestrator."""

    def __init__(self, orchestrator: IOrchestrator) -> None:
        self._orchestrator: Any = orchestrator

    async def status(self) -> dict[str, ServiceStatus]:
        """Figures of every service, as fresh as its workers answer within a second."""
        found: dict[str, ServiceStatus] = await self._orchestrator.status()
        return found

    async def services(self) -> list[ServiceEntry]:
        """The services that are configured."""
        found = await self._orchestrator.status()
        return [ServiceEntry(name, each.app, each.status) for name, each in found.items()]


_ROUTES = [
    Group(
        "",
        Control,
        [
            GET("/status", Control.status, title="Figures of every service"),
            GET("/services", Control.services, title="The services that are configured"),
        ],
    )
]


def control_app(orchestrator: IOrchestrator) -> App:
    """The application of the control service."""

    def container(registry: svcs.Registry, context: ServiceContext) -> None:
        registry.register_value(IOrchestrator, orchestrator)

    register: Callable[[svcs.Registry, ServiceContext], None] = container
    return App(_ROUTES, register, title="Orchestrator", version="1")
