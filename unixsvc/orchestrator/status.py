"""The status of pools, workers and services."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Final

import psutil
from msgspec import Struct, field

from unixsvc.config.settings import ServiceSettings
from unixsvc.schedules.state import ScheduleStatus
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.metrics.snapshot import ClientStats, MetricsSnapshot, SeriesCounts, TaskStats

__all__ = [
    "NOT_RUNNING",
    "Latency",
    "PoolSnapshot",
    "ServiceStatus",
    "WorkerSnapshot",
    "WorkerStatus",
    "describe",
    "is_healthy",
    "state_of",
    "total_metrics",
]

NOT_RUNNING: Final = ("stopped", "stopping", "waiting")
"""The states of a service that is not started."""


class WorkerSnapshot(Struct, frozen=True):
    """The state of a worker, as its pool knows it.

    :ivar pid: None after its end.
    :ivar phase: the value of its :class:`~unixsvc.orchestrator.pool.model.WorkerPhase`.
    :ivar uptime: since its start, in seconds.
    :ivar status: its latest report.
    :ivar metrics: what it has counted until now.
    :ivar generation: the number of its spec, which rises with each reload.
    :ivar slot: its place in the pool.
    """

    pid: int | None
    phase: str
    uptime: float
    status: StatsReport
    metrics: MetricsSnapshot = MetricsSnapshot()
    generation: int = 1
    slot: int = 1


class PoolSnapshot(Struct, frozen=True):
    """The state of a pool.

    :ivar ended: the counters of workers that have ended.
    :ivar state: the state of the service; empty if it follows from its workers.
    :ivar problem: the last failure; empty once all workers are ready again.
    :ivar listen: where its sockets listen; empty while they are closed.
    :ivar schedules: the schedules of its application.
    :ivar exits: the workers that have ended, by reason.
    """

    workers: list[WorkerSnapshot]
    ended: MetricsSnapshot = MetricsSnapshot()
    state: str = ""
    problem: str = ""
    listen: tuple[str, ...] = ()
    schedules: tuple[ScheduleStatus, ...] = ()
    exits: dict[str, int] = {}


class Latency(Struct, frozen=True):
    """Quantiles of the time to a reply, in seconds."""

    p50: float
    p90: float
    p99: float


class WorkerStatus(Struct, frozen=True):
    """One worker in the result of ``unixsvc status``; ``uptime`` is in seconds, ``rss`` in bytes.

    :ivar services: its clients of other services, by name.
    :ivar received_bytes: what clients have sent, as of its last report.
    :ivar sent_bytes: what was sent to clients.
    :ivar queued: requests and tasks that wait for memory or for a thread.
    """

    pid: int | None
    status: str
    uptime: float
    requests: int
    errors: int
    connections: int
    rss: int
    generation: int
    services: dict[str, ClientStats]
    received_bytes: int
    sent_bytes: int
    queued: int


class ServiceStatus(Struct, frozen=True):
    """One service in the result of ``unixsvc status``; ``pid`` and ``uptime`` are those of its oldest worker.

    The keys are those of the PHP original, which scripts read.

    :ivar services: the clients that its workers have of other services, by name.
    :ivar wrong_tokens: the number of wrong tokens that clients have sent.
    :ivar handler: its request handler, as configured.
    :ivar listen: where it listens.
    :ivar schedules: the schedules of its application.
    :ivar tasks: the tasks of its workers beside their requests, by name.
    :ivar probes: the number of health checks of clients, by path and code. They are no requests.
    :ivar queued: requests and tasks that wait for memory or for a thread.
    :ivar calls: the time of its calls to other services, by name.
    :ivar received_bytes: what clients have sent.
    :ivar sent_bytes: what was sent to clients.
    """

    pid: int | None
    uptime: float
    status: str
    app: str = field(name="class")
    requests: int
    errors: int
    average: float = field(name="avgResponseTime")
    workers: list[WorkerStatus]
    latency: Latency
    problem: str
    services: dict[str, ClientStats]
    wrong_tokens: int
    handler: str
    listen: tuple[str, ...]
    schedules: tuple[ScheduleStatus, ...]
    tasks: dict[str, TaskStats]
    probes: dict[str, dict[int, int]]
    received_bytes: int
    sent_bytes: int
    calls: dict[str, Latency]
    queued: int


def describe(settings: ServiceSettings, stats: PoolSnapshot, *, stopping: bool) -> ServiceStatus:
    """Add up the statistics of a service.

    :param stopping: whether the orchestrator stops.
    """
    workers = stats.workers
    metrics = total_metrics(stats)
    total = metrics.all
    oldest = max(workers, key=lambda worker: worker.uptime, default=None)
    return ServiceStatus(
        pid=oldest.pid if oldest else None,
        uptime=oldest.uptime if oldest else 0.0,
        status=state_of(stats, stopping=stopping),
        app=settings.app,
        requests=total.requests,
        errors=total.errors,
        average=total.seconds / total.requests if total.requests else 0.0,
        workers=[_worker_status(worker) for worker in workers],
        latency=_latency(total),
        calls={name: _latency(each) for name, each in metrics.calls.items()},
        problem=stats.problem,
        services=metrics.services,
        wrong_tokens=metrics.totals.wrong_tokens,
        handler=settings.handler,
        listen=stats.listen,
        schedules=stats.schedules,
        tasks=metrics.tasks,
        received_bytes=metrics.totals.received,
        sent_bytes=metrics.totals.sent,
        queued=sum(worker.status.queued for worker in workers),
        probes={path: counts.codes for path, counts in metrics.probes.items()},
    )


def _latency(counts: SeriesCounts) -> Latency:
    return Latency(counts.quantile(0.5), counts.quantile(0.9), counts.quantile(0.99))


def is_healthy(stats: PoolSnapshot) -> bool:
    """Whether a service is stopped on purpose, or has a ready worker."""
    return stats.state in NOT_RUNNING or any(worker.phase == "ready" for worker in stats.workers)


def total_metrics(stats: PoolSnapshot) -> MetricsSnapshot:
    """The metrics of all workers, and of those that have ended."""
    return reduce(add, (worker.metrics for worker in stats.workers), stats.ended)


def state_of(stats: PoolSnapshot, *, stopping: bool) -> str:
    """The state of a service, as one word.

    :param stopping: whether the orchestrator stops.
    """
    if stopping:
        return "stopping"
    if stats.state:
        return stats.state
    phases = {worker.phase for worker in stats.workers}
    if "ready" in phases:
        return "ready"
    return "starting" if "starting" in phases else "restarting"


def _worker_status(worker: WorkerSnapshot) -> WorkerStatus:
    total = worker.metrics.all
    return WorkerStatus(
        worker.pid,
        worker.phase,
        worker.uptime,
        total.requests,
        total.errors,
        worker.status.connections,
        _resident_memory(worker.pid),
        worker.generation,
        worker.metrics.services,
        worker.metrics.totals.received,
        worker.metrics.totals.sent,
        worker.status.queued,
    )


def _resident_memory(pid: int | None) -> int:
    if pid is None:
        return 0
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except (psutil.Error, OSError):
        return 0  # it has just ended, or no file descriptor is left
