"""What can be known of services while they run."""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import psutil
from msgspec import Struct, field

from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.metrics import ClientStats, MetricsSnapshot

__all__ = ["Latency", "PoolSnapshot", "ServiceStatus", "WorkerSnapshot", "WorkerStatus", "describe"]


class WorkerSnapshot(Struct, frozen=True):
    """What a pool knows of a worker.

    :ivar pid: None once it has ended.
    :ivar phase: the name of its phase.
    :ivar uptime: since it was started, in seconds.
    :ivar generation: rises with each reload.
    """

    pid: int | None
    phase: str
    uptime: float
    status: StatsReport
    generation: int = 1


class PoolSnapshot(Struct, frozen=True):
    """What a pool knows of its workers, and what those that are gone had counted.

    :ivar state: of the service; empty where its workers tell.
    :ivar problem: what last went wrong; empty once all is well again.
    """

    workers: list[WorkerSnapshot]
    ended: MetricsSnapshot = MetricsSnapshot()
    state: str = ""
    problem: str = ""


class Latency(Struct, frozen=True):
    """The time within which a share of the requests was answered, in seconds."""

    p50: float
    p90: float
    p99: float


class WorkerStatus(Struct, frozen=True):
    """One worker, as it is told to a caller. ``uptime`` is in seconds, ``rss`` in bytes.

    :ivar services: those that it has asked, by name.
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


class ServiceStatus(Struct, frozen=True):
    """One service, as it is told to a caller; ``pid`` and ``uptime`` are those of its oldest worker.

    The names are the original system's: scripts read them.

    :ivar services: those that its workers have asked, by name.
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


def describe(app: str, stats: PoolSnapshot, *, stopping: bool) -> ServiceStatus:
    """Add the figures of a service up.

    :param app: where its application is.
    """
    workers = stats.workers
    total = reduce(add, (each.status.snapshot for each in workers), stats.ended.past())
    oldest = max(workers, key=lambda each: each.uptime, default=None)
    return ServiceStatus(
        pid=oldest.pid if oldest else None,
        uptime=oldest.uptime if oldest else 0.0,
        status="stopping" if stopping else stats.state or _status_of(workers),
        app=app,
        requests=total.requests,
        errors=total.errors,
        average=total.seconds / total.requests if total.requests else 0.0,
        workers=[_worker(each) for each in workers],
        latency=Latency(total.quantile(0.5), total.quantile(0.9), total.quantile(0.99)),
        problem=stats.problem,
        services=total.services or {},
    )


def _status_of(workers: list[WorkerSnapshot]) -> str:
    phases = {each.phase for each in workers}
    if "ready" in phases:
        return "ready"
    return "starting" if "starting" in phases else "restarting"


def _worker(worker: WorkerSnapshot) -> WorkerStatus:
    snapshot = worker.status.snapshot
    return WorkerStatus(
        worker.pid,
        worker.phase,
        worker.uptime,
        snapshot.requests,
        snapshot.errors,
        worker.status.connections,
        _resident(worker.pid),
        worker.generation,
        snapshot.services or {},
    )


def _resident(pid: int | None) -> int:
    if pid is None:
        return 0
    try:
        memory: Any = psutil.Process(pid).memory_info()
    except psutil.NoSuchProcess:
        return 0  # it has just ended
    return int(memory.rss)
