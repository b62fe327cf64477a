"""The control API: the service of the orchestrator itself, for its own user and root."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable
from typing import Annotated, Final, Literal, TypeVar

import svcs
from msgspec import Meta, Struct
from msgspec.structs import replace

from unixsvc.config.settings import CONTROL_SERVICE, ServiceSettings, Settings
from unixsvc.domain.message import Request
from unixsvc.errors import ConfigError, Conflict, Forbidden
from unixsvc.orchestrator.debugging.session import DebugEvent
from unixsvc.orchestrator.debugging.settings import NO_LIMIT
from unixsvc.orchestrator.debugging.terminal import LentTerminal
from unixsvc.orchestrator.events.control import EVENT_ROUTES
from unixsvc.orchestrator.events.log import EventLog
from unixsvc.orchestrator.figures import ServiceFigures
from unixsvc.orchestrator.inspection.control import INSPECTION, MEASUREMENTS
from unixsvc.orchestrator.inspection.interfaces import IInspector
from unixsvc.orchestrator.interfaces import IOrchestrator
from unixsvc.orchestrator.status import ServiceStatus
from unixsvc.orchestrator.tokens.interfaces import ITokens, ServiceAccess, TokenEntry
from unixsvc.routing.app import App
from unixsvc.routing.container import ServiceContext
from unixsvc.routing.route import GET, POST, PUT, Group
from unixsvc.security.control_guard import ControlRules
from unixsvc.telemetry.log_levels import LevelRule
from unixsvc.telemetry.log_query import LogBatch, LogQuery

__all__ = ["Control", "ServiceEntry", "WantedSession", "control_app", "control_settings"]

T = TypeVar("T")

# Maximum time for a reply, in seconds. Draining and starting take as long as the timeouts of the services
# allow, so a day stands for no limit.
_REQUEST_TIMEOUT: Final = 86_400.0
# Limits of its own, so that its clients cannot take the file descriptors that workers are started with. A
# connection that sends no request for some seconds is closed.
_MAX_CONNECTIONS: Final = 16
_SILENCE: Final = 5.0
# Maximum time for which a replaced token stays valid, in seconds: a year.
_MAX_OVERLAP: Final = 31_536_000


class ServiceEntry(Struct, frozen=True):
    """A configured service.

    :ivar app: its application, as configured.
    :ivar handler: its request handler, as configured.
    :ivar listen: where it listens, as URLs or ``unix:`` and a path; empty while it is stopped.
    """

    name: str
    app: str
    status: str
    handler: str
    listen: tuple[str, ...]


class WantedSession(Struct, frozen=True):
    """The data of a request for a debug session."""

    service: str
    terminal: LentTerminal


class Control:
    """The controller. An operation that cannot succeed is answered with a conflict that says why."""

    def __init__(self, orchestrator: IOrchestrator) -> None:
        self._orchestrator = orchestrator

    async def status(self) -> dict[str, ServiceStatus]:
        """The status of every service, with reports that are at most about a second old."""
        return await self._orchestrator.status()

    async def metrics(self) -> dict[str, ServiceFigures]:
        """The figures of every service, with reports that are at most about a second old."""
        return await self._orchestrator.figures()

    async def services(self) -> list[ServiceEntry]:
        """The configured services."""
        status = await self._orchestrator.status()
        return [
            ServiceEntry(name, service.app, service.status, service.handler, service.listen)
            for name, service in status.items()
        ]

    async def reload(self, service: str = "") -> None:
        """Read the configuration and replace the workers; the reply is sent when the new ones serve."""
        await _or_conflict(self._orchestrator.reload(service))

    async def restart(self, service: str = "") -> None:
        """Stop, then start; the reply is sent when the new workers serve."""
        await _or_conflict(self._orchestrator.restart(service))

    async def start(self, service: str = "") -> None:
        """Start what is stopped or has failed; the reply is sent when it is ready."""
        await _or_conflict(self._orchestrator.start(service))

    async def stop(self, service: str = "") -> None:
        """Drain and stop; the reply is sent when all workers have ended."""
        await _or_conflict(self._orchestrator.stop(service))

    async def scale(self, service: str, workers: Annotated[int, Meta(ge=1, le=1024)]) -> None:
        """Set the number of workers; the reply is sent when they serve."""
        await _or_conflict(self._orchestrator.scale(service, workers))

    async def debug(self, request: Request, wanted: WantedSession) -> AsyncGenerator[DebugEvent, None]:
        """Replace the workers of a service by one with a terminal, as long as the caller reads the stream.

        The terminal gives control of the worker, and so it is for the users who could start one themselves.
        """
        if request.peer.uid not in (os.geteuid(), 0):
            raise Forbidden("only the orchestrator's own user and root may debug")
        session = await _or_conflict(self._orchestrator.debug(wanted.service, wanted.terminal))
        try:
            event = None
            while event is None or event.state != "ended":
                event = await session.next_event()
                yield event
        finally:
            session.close()

    async def logs(self, query: LogQuery) -> AsyncGenerator[LogBatch, None]:
        """Events of the log, as long as the caller reads the stream if it follows.

        POST, as users who may only read the status must not see what applications log.
        """
        events = await _or_conflict(self._orchestrator.logs(query))
        async for batch in events:
            yield batch

    def set_log_level(
        self,
        level: Literal["debug", "info", "warn", "error", "default"],
        service: str = "",
        route: str = "",
        logger: str = "",
    ) -> None:
        """Set the lowest level that is logged: for all, or for a service, a route or a logger."""
        self._orchestrator.set_log_level(level, LevelRule(level, logger, service, route))


class TokenControl:
    """The routes of the tokens."""

    def __init__(self, tokens: ITokens, orchestrator: IOrchestrator) -> None:
        self._tokens = tokens
        self._orchestrator = orchestrator

    def index(self) -> list[TokenEntry]:
        """The shared token and the configured ones, without their text."""
        return self._tokens.entries()

    def access(self, request: Request, service: str = "") -> ServiceAccess:
        """The shared token and the request timeout of a service, for a client that calls it.

        It is for the users who could read the token file too.
        """
        if request.peer.uid not in (os.geteuid(), 0):
            raise Forbidden("only the orchestrator's own user and root get the token")
        access = self._tokens.access(service)
        if self._orchestrator.is_debugged(service):
            access = replace(access, request_timeout=NO_LIMIT)
        return access

    async def rotate(self, overlap: Annotated[float, Meta(ge=0, le=_MAX_OVERLAP)]) -> None:
        """Replace the shared token; the old one stays valid for the overlap, in seconds."""
        await self._tokens.rotate(overlap)

    async def revoke(self, name: str) -> None:
        """Make a token with a name invalid; the reply is sent when no worker accepts it."""
        await self._tokens.revoke(name)


async def _or_conflict(operation: Awaitable[T]) -> T:
    try:
        return await operation
    except ConfigError as error:
        # Its text is for the operator of the orchestrator, and only the operator may do this.
        raise Conflict(str(error)) from None


_ROUTES = [
    Group(
        "",
        Control,
        [
            GET("/status", Control.status, title="Status of every service"),
            GET("/metrics", Control.metrics, title="Figures of every service and worker"),
            GET("/services", Control.services, title="Configured services"),
            POST("/reload", Control.reload, title="Read the configuration and replace the workers"),
            POST("/restart", Control.restart, title="Stop, then start"),
            POST("/start", Control.start, title="Start what is stopped or has failed"),
            POST("/stop", Control.stop, title="Drain and stop"),
            POST("/scale", Control.scale, title="Set the number of workers"),
            POST("/debug", Control.debug, title="Debug a service in a terminal"),
            POST("/logs", Control.logs, title="Events of the log"),
            PUT("/log/level", Control.set_log_level, title="Set the log level"),
        ],
    ),
    Group(
        "/tokens",
        TokenControl,
        [
            GET("", TokenControl.index, title="Tokens"),
            POST("/access", TokenControl.access, title="Token and timeout for calls to a service"),
            POST("/rotate", TokenControl.rotate, title="Replace the shared token"),
            POST("/revoke", TokenControl.revoke, title="Make a named token invalid"),
        ],
    ),
    INSPECTION,
    MEASUREMENTS,
    EVENT_ROUTES,
]


def control_app(orchestrator: IOrchestrator) -> App:
    """The application of the control API."""

    def container(registry: svcs.Registry, context: ServiceContext) -> None:
        registry.register_value(IOrchestrator, orchestrator)
        registry.register_value(ITokens, orchestrator.tokens)
        registry.register_value(EventLog, orchestrator.events)
        registry.register_value(IInspector, orchestrator.inspector)

    return App(_ROUTES, container, title="Orchestrator", version="1")


def control_settings(settings: Settings, rules: ControlRules) -> Settings:
    """The configuration of the control API.

    :param settings: the configuration of the orchestrator.
    :param rules: who may use it, apart from the orchestrator's own user and root.
    """
    service = ServiceSettings(
        f"{control_app.__module__}:{control_app.__name__}",
        isolation="inline",
        request_timeout=_REQUEST_TIMEOUT,
        message_timeout=_SILENCE,
        idle_timeout=_SILENCE,
        max_connections=_MAX_CONNECTIONS,
    )
    return replace(settings, services={CONTROL_SERVICE: service}, socket_mode=rules.socket_mode)
