"""The statistics of a service in this process."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from unixsvc.datasource.service_clients import ServiceClients
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.execution.background import Tasks
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.memory import ResidentMemory
from unixsvc.telemetry.metrics import ServiceMetrics

__all__ = ["ServiceStatistics"]

# One for the process: it keeps a file open, and several services may run in one process.
_memory: Final = ResidentMemory()


class ServiceStatistics:
    """Combines counters with gauges that are read when a report is made.

    :param metrics: counts the replies.
    :param clients: the clients of other services.
    :param tasks: the tasks beside the requests.
    """

    def __init__(self, metrics: ServiceMetrics, clients: ServiceClients, tasks: Tasks) -> None:
        self._metrics = metrics
        self._clients = clients
        self._tasks = tasks
        self._sources: tuple[HandleMessage, IRequestHandler] | None = None

    def observe(self, handle: HandleMessage, handler: IRequestHandler) -> None:
        """Take the requests in flight and the connections from these; before, both are 0."""
        self._sources = handle, handler

    def report(self) -> StatsReport:
        """The current statistics."""
        snapshot = self._metrics.snapshot()
        if called := self._clients.client_stats():
            snapshot = replace(snapshot, services=called)
        if started := self._tasks.stats():
            snapshot = replace(snapshot, tasks=started)
        if self._sources is None:
            return StatsReport(snapshot, memory=_memory())
        handle, handler = self._sources
        return StatsReport(snapshot, handler.connections(), handle.inflight, _memory())

    def as_json(self) -> dict[str, Any]:
        """The result of ``/-/stats``."""
        report: dict[str, Any] = msgspec.to_builtins(self.report(), str_keys=True)
        snapshot: dict[str, Any] = report.pop("snapshot")
        return snapshot | report | {"services": self._clients.stats()}

    def reset(self) -> None:
        """Set the counters to zero."""
        self._metrics.clear()
