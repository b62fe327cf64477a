"""The interfaces of the orchestrator."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable

from zope.interface import Attribute, Interface

from unixsvc.config.settings import ServiceSettings
from unixsvc.orchestrator.debugging.session import DebugSession
from unixsvc.orchestrator.debugging.terminal import LentTerminal
from unixsvc.orchestrator.figures import ServiceFigures
from unixsvc.orchestrator.status import ServiceStatus
from unixsvc.telemetry.log_levels import LevelRule
from unixsvc.telemetry.log_query import LogBatch, LogQuery

__all__ = ["IOrchestrator", "IOrchestratorWatcher"]


class IOrchestrator(Interface):
    """Runs services."""

    tokens = Attribute("Its tokens, see :class:`unixsvc.orchestrator.tokens.interfaces.ITokens`.")
    events = Attribute("What has happened, see :class:`unixsvc.orchestrator.events.log.EventLog`.")
    inspector = Attribute("See :class:`unixsvc.orchestrator.inspection.interfaces.IInspector`.")

    def register(name: str, settings: ServiceSettings) -> None:
        """Add a service, or change its settings; a running orchestrator applies this at its next reload."""

    def status() -> Awaitable[dict[str, ServiceStatus]]:
        """The status of each service, by name."""

    def figures() -> Awaitable[dict[str, ServiceFigures]]:
        """The figures of each service, by name."""

    def healthy() -> bool:
        """Whether every service that is not stopped on purpose has a ready worker."""

    def reload(name: str = "") -> Awaitable[None]:
        """Read the configuration and replace the workers of all services, or of one.

        :raises unixsvc.errors.ConfigError: if the new workers cannot start; the old ones stay.
        """

    def start(name: str = "") -> Awaitable[None]:
        """Start all services that are stopped or have failed, or one; done when they are ready.

        :raises unixsvc.errors.NotFound: if there is no such service; so do the methods below.
        :raises unixsvc.errors.ConfigError: if a service cannot start.
        """

    def stop(name: str = "") -> Awaitable[None]:
        """Drain and stop all services, or one; done when they have stopped."""

    def restart(name: str = "") -> Awaitable[None]:
        """Stop and start all services, or one; clients that connect meanwhile wait in the backlog.

        :raises unixsvc.errors.ConfigError: if a service cannot start.
        """

    def scale(name: str, workers: int) -> Awaitable[None]:
        """Set the number of workers of a service; done when they are ready.

        :raises unixsvc.errors.ConfigError: if they cannot start.
        """

    def debug(name: str, terminal: LentTerminal) -> Awaitable[DebugSession]:
        """Replace the workers of a service by one with a terminal, until the session is closed.

        :raises unixsvc.errors.Conflict: if it does not run, or if the terminal cannot be used.
        :raises unixsvc.errors.ConfigError: if it has no workers.
        """

    def is_debugged(name: str) -> bool:
        """Whether a service has a debug session."""

    def logs(query: LogQuery) -> Awaitable[AsyncGenerator[LogBatch, None]]:
        """Return the last events of the log, and those that come if the query follows.

        :raises unixsvc.errors.ConfigError: if this orchestrator keeps no events.
        """

    def set_log_level(level: str, about: LevelRule | None = None) -> None:
        """Set the lowest level that is logged, here and in every worker.

        :param level: ``default`` for the configured one.
        :param about: the service, route or logger whose level it is; None for that of all, which
            ``default`` sets for each of them too.
        :raises unixsvc.errors.NotFound: if there is no such service.
        """


class IOrchestratorWatcher(Interface):
    """Observes an orchestrator as a whole."""

    def reloading() -> None:
        """A reload has begun."""

    def reloaded(error: str) -> None:
        """The reload has ended.

        :param error: why it has failed; empty if it has not.
        """

    def aborted(name: str, reason: str) -> None:
        """An essential service has failed."""
