"""The interface of what runs one service."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from twisted.application.service import IService
from twisted.internet.defer import Deferred

from unixsvc.domain.json import Json
from unixsvc.orchestrator.pool.questions import Finding
from unixsvc.orchestrator.pool.spec import WorkerSpec
from unixsvc.orchestrator.status import PoolSnapshot
from unixsvc.orchestrator.worker.messages import Command

if TYPE_CHECKING:
    from unixsvc.telemetry.exposition.application import AppSnapshot

__all__ = ["IServicePool"]


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

    def debug(spec: WorkerSpec) -> Deferred[None]:
        """Begin a debug session: replace the workers by one of a spec with a terminal.

        Another spec that is set meanwhile is that of the workers after the session.

        :returns: fires when it alone accepts connections; fails with ConfigError if the session ends before.
        :raises unixsvc.errors.ConfigError: if the service has no workers.
        """

    def end_debug() -> None:
        """End the debug session, if there is one: drain its worker, and start the usual ones."""

    def send(command: Command) -> None:
        """Send a command to every worker."""

    def check_paths() -> None:
        """Bind the paths again that were removed, and have the workers replaced that listen elsewhere.

        :raises unixsvc.errors.ConfigError: if a path cannot be bound; the workers stay.
        """

    def stats() -> PoolSnapshot:
        """The state of the workers, as of their last reports."""

    def refresh() -> Deferred[None]:
        """Request new reports from the workers; done within about a second."""

    def inspect(
        topic: str, options: dict[str, Json], seconds: float, pid: int | None = None
    ) -> Deferred[list[Finding]]:
        """Ask the workers a question, see :func:`unixsvc.service.inspection.topics.answer`.

        :param seconds: maximum time to wait for the answers.
        :param pid: of the only worker to ask; None for all.
        """

    def abort() -> None:
        """Stop now; pending requests get no reply."""

    def app_metrics() -> AppSnapshot:
        """The metrics of the application, as of the last reports of the workers."""
