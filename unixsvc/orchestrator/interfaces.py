"""The interfaces of the orchestrator and of the pools that it runs."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from zope.interface import Interface

from unixsvc.config.settings import ServiceSettings
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.status import PoolSnapshot, ServiceStatus
from unixsvc.orchestrator.worker.messages import Command

__all__ = ["IOrchestrator", "IOrchestratorWatcher", "IServicePool"]


class IServicePool(IService):
    """Runs one service: in a pool of worker processes, or in this process.

    It can be started again after it has stopped or failed.
    """

    def bind() -> None:
        """Bind the listening sockets without starting a worker.

        :raises unixsvc.errors.ConfigError: if an address cannot be bound.
        """

    def when_ready() -> Awaitable[None]:
        """Done when the service is ready for the first time since its last start.

        :raises unixsvc.errors.ConfigError: if it cannot start.
        """

    def restart() -> Awaitable[None]:
        """Drain and start again; clients that connect meanwhile wait in the backlog.

        :raises unixsvc.errors.ConfigError: if it cannot start.
        """

    def reload(spec: WorkerSpec) -> Awaitable[None]:
        """Replace the running workers by workers of another spec.

        :raises unixsvc.errors.ConfigError: if these cannot start; the old workers stay.
        """

    def set_spec(spec: WorkerSpec) -> None:
        """Use another spec from the next start on."""

    def scale(workers: int) -> Awaitable[None]:
        """Set the number of workers.

        :raises unixsvc.errors.ConfigError: if a new worker cannot start; the number stays as it was.
        """

    def send(command: Command) -> None:
        """Send a command to every worker."""

    def stats() -> PoolSnapshot:
        """The state of the workers, as of their last reports."""

    def refresh() -> Deferred[None]:
        """Request new reports from the workers; done within about a second."""

    def abort() -> None:
        """Stop now; pending requests get no reply."""


class IOrchestrator(Interface):
    """Runs services."""

    def register(name: str, settings: ServiceSettings) -> None:
        """Add a service, or change its settings; a running orchestrator applies this at its next reload."""

    def status() -> Awaitable[dict[str, ServiceStatus]]:
        """The status of each service, by name."""

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

    def set_log_level(level: str) -> None:
        """Set the lowest level that is logged, here and in every worker."""


class IOrchestratorWatcher(Interface):
    """Observes an orchestrator as a whole."""

    def reloading() -> None:
        """A reload has begun."""

    def reloaded() -> None:
        """The reload has ended, with success or not."""

    def aborted(name: str, reason: str) -> None:
        """An essential service has failed."""
