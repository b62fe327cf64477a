"""The statistics of a service in this process."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET

from unixsvc.datasource.service_clients import ServiceClients
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.notable import NotableRequests
from unixsvc.execution.background import Tasks
from unixsvc.execution.threads import ThreadRunner
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.memory import ResidentMemory
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot, SeriesCounts
from unixsvc.transport.traffic import Traffic

__all__ = ["ServiceStatistics"]

# One for the process: it keeps a file open, and several services may run in one process.
_memory: Final = ResidentMemory()


class ServiceStatistics:
    """Combines counters with gauges that are read when a report is made.

    :param metrics: counts the replies.
    :param clients: the clients of other services.
    :param tasks: the tasks beside the requests.
    :ivar traffic: counts the bytes of clients; they are added to the counters at each report.
    :ivar notable: the slowest and the failed requests.
    """

    def __init__(self, metrics: ServiceMetrics, clients: ServiceClients, tasks: Tasks) -> None:
        self._metrics = metrics
        self._clients = clients
        self._tasks = tasks
        self.notable = NotableRequests()
        self.traffic = Traffic()
        self._threads: ThreadRunner | None = None
        self._sources: tuple[HandleMessage, IRequestHandler] | None = None

    def observe(
        self, handle: HandleMessage, handler: IRequestHandler, threads: ThreadRunner | None = None
    ) -> None:
        """Take the requests in flight, the connections and what waits from these; before, all are 0."""
        self._sources = handle, handler
        self._threads = threads

    def report(self) -> StatsReport:
        """The current statistics."""
        services = self._clients.client_stats() or UNSET
        tasks = self._tasks.stats() or UNSET
        self.notable.check_time()
        self._metrics.set_bytes(self.traffic.all_received(), self.traffic.sent)
        if self._sources is None:
            return StatsReport(memory=_memory(), services=services, tasks=tasks)
        handle, handler = self._sources
        queued = handle.held_back + (0 if self._threads is None else self._threads.queued)
        return StatsReport(
            handler.connections(), handle.inflight, _memory(), services=services, tasks=tasks, queued=queued
        )

    def metrics(self) -> MetricsSnapshot:
        """What has been counted."""
        return self._metrics.snapshot()

    def as_json(self) -> dict[str, Any]:
        """The result of ``/-/stats``."""
        report = self.report()
        snapshot = report.add_to(self._metrics.snapshot())
        total = snapshot.all
        return {
            "requests": total.requests,
            "errors": total.errors,
            "seconds": total.seconds,
            "codes": _codes_as_json(total),
            "routes": {route: _route_as_json(counts) for route, counts in snapshot.by_route().items()},
            "probes": {path: _codes_as_json(counts) for path, counts in snapshot.probes.items()},
            "received_bytes": snapshot.totals.received,
            "sent_bytes": snapshot.totals.sent,
            "wrong_tokens": snapshot.totals.wrong_tokens,
            "tasks": msgspec.to_builtins(snapshot.tasks),
            "connections": report.connections,
            "inflight": report.inflight,
            "queued": report.queued,
            "memory": report.memory,
            "services": self._clients.stats(),
        }

    def reset(self) -> None:
        """Set the counters to zero."""
        self._metrics.clear()
        self.traffic.clear()
        self.notable.clear()


def _route_as_json(counts: SeriesCounts) -> dict[str, Any]:
    return {
        "requests": counts.requests,
        "errors": counts.errors,
        "seconds": counts.seconds,
        "codes": _codes_as_json(counts),
    }


def _codes_as_json(counts: SeriesCounts) -> dict[str, int]:
    return {str(code): count for code, count in counts.codes.items()}
