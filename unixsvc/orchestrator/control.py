"""The orchestrator's own service: what it tells of itself, and does, for those who hold the token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import svcs
from msgspec import Meta, Struct

from unixsvc.config.settings import ServiceSettings
from unixsvc.errors import ConfigError, Conflict
from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.orchestrator.status import ServiceStatus
from unixsvc.routing.app import App
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.route import GET, POST, PUT, Group

__all__ = ["Control", "ServiceEntry", "control_app", "control_settings"]

# To drain and to start takes as long as the services' own time-outs allow: a day is for ever.
_PATIENCE = 86_400.0


class ServiceEntry(Struct, frozen=True):
    """A service that is configured here.

    :ivar app: where its application is.
    """

    name: str
    app: str
    status: str


class Control:
    """Answers for the orchestrator. What cannot be done is a conflict, and says why."""

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

    async def reload(self, service: str = "") -> None:
        """Read the configuration, and replace the workers; answered when the new ones serve."""
        await _explained(self._orchestrator.reload(service))

    async def restart(self, service: str = "") -> None:
        """Stop, then start; answered when the new workers serve."""
        await _explained(self._orchestrator.restart(service))

    async def start(self, service: str = "") -> None:
        """Start what is stopped or has failed; answered when it is ready."""
        await _explained(self._orchestrator.start(service))

    async def stop(self, service: str = "") -> None:
        """Drain and stop; answered when all workers are gone."""
        await _explained(self._orchestrator.stop(service))

    async def scale(self, service: str, workers: Annotated[int, Meta(ge=1, le=1024)]) -> None:
        """Have another number of workers; answered when they serve."""
        await _explained(self._orchestrator.scale(service, workers))

    def set_log_level(self, level: Literal["debug", "info", "warn", "error"]) -> None:
        """Log what is at least at this level."""
        self._orchestrator.set_log_level(level)


async def _explained(doing: Awaitable[None]) -> None:
    try:
        await doing
    except ConfigError as error:
        # It is meant for whoever looks after the orchestrator, and that is who has the token.
        raise Conflict(str(error)) from None


_ROUTES = [
    Group(
        "",
        Control,
        [
            GET("/status", Control.status, title="Figures of every service"),
            GET("/services", Control.services, title="The services that are configured"),
            POST("/reload", Control.reload, title="Read the configuration, and replace the workers"),
            POST("/restart", Control.restart, title="Stop, then start"),
            POST("/start", Control.start, title="Start what is stopped or has failed"),
            POST("/stop", Control.stop, title="Drain and stop"),
            POST("/scale", Control.scale, title="Have another number of workers"),
            PUT("/log/level", Control.set_log_level, title="Log more, or less"),
        ],
    )
]


def control_app(orchestrator: IOrchestrator) -> App:
    """The application of the control service."""

    def container(registry: svcs.Registry, context: ServiceContext) -> None:
        registry.register_value(IOrchestrator, orchestrator)

    register: Callable[[svcs.Registry, ServiceContext], None] = container
    return App(_ROUTES, register, title="Orchestrator", version="1")


def control_settings() -> ServiceSettings:
    """What the control service is, beside the others."""
    return ServiceSettings(
        f"{control_app.__module__}:{control_app.__name__}", isolation="inline", request_timeout=_PATIENCE
    )
