"""The figures of services and workers: what status, Prometheus, the page and ``unixsvc top`` show."""

from __future__ import annotations

import psutil
from msgspec import Struct

from unixsvc.orchestrator.status import PoolSnapshot, WorkerSnapshot, state_of, total_metrics
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot

__all__ = ["ProcessFigures", "ServiceFigures", "WorkerFigures", "process_figures", "service_figures"]


class ProcessFigures(Struct, frozen=True):
    """What the kernel knows of a process.

    :ivar resident: resident memory, in bytes.
    :ivar shared: the part of it that other processes may share, in bytes.
    :ivar cpu: the CPU time that it has used, in seconds.
    :ivar descriptors: the number of open file descriptors; -1 if this user may not see it.
    """

    resident: int = 0
    shared: int = 0
    cpu: float = 0.0
    descriptors: int = -1


class WorkerFigures(Struct, frozen=True):
    """One worker.

    :ivar phase: ``starting``, ``ready``, ``draining`` and so on.
    :ivar generation: rises with each reload.
    :ivar uptime: since its start, in seconds.
    :ivar received: the bytes that clients have sent.
    :ivar sent: the bytes that were sent to clients.
    :ivar queued: the number of requests and tasks that wait for memory or for a thread.
    :ivar lag: how late its event loop was when it was last asked, in seconds.
    :ivar process: None after its end.
    """

    slot: int
    pid: int | None
    phase: str
    generation: int
    uptime: float
    connections: int
    inflight: int
    requests: int
    errors: int
    lag: float
    process: ProcessFigures | None
    received: int = 0
    sent: int = 0
    queued: int = 0


class ServiceFigures(Struct, frozen=True):
    """One service.

    :ivar status: as in ``unixsvc status``.
    :ivar metrics: of its workers, and of those that have ended.
    :ivar exits: the workers that have ended, by reason: ``crash`` (an exit or a signal that was not asked
        for), ``start`` (it was never ready), ``watchdog``, ``recycled``, ``reload``, ``stop``.
    """

    status: str
    metrics: MetricsSnapshot
    exits: dict[str, int]
    workers: list[WorkerFigures]


def service_figures(stats: PoolSnapshot, *, stopping: bool) -> ServiceFigures:
    """Add up the figures of a service.

    :param stopping: whether the orchestrator stops.
    """
    return ServiceFigures(
        state_of(stats, stopping=stopping),
        total_metrics(stats),
        stats.exits,
        [_worker_figures(each) for each in stats.workers],
    )


def _worker_figures(worker: WorkerSnapshot) -> WorkerFigures:
    total, report = worker.metrics.all, worker.status
    return WorkerFigures(
        worker.slot,
        worker.pid,
        worker.phase,
        worker.generation,
        worker.uptime,
        report.connections,
        report.inflight,
        total.requests,
        total.errors,
        report.lag,
        None if worker.pid is None else process_figures(worker.pid),
        worker.metrics.totals.received,
        worker.metrics.totals.sent,
        report.queued,
    )


def process_figures(pid: int) -> ProcessFigures | None:
    """What the kernel knows of a process; None if it has ended, or no file descriptor is left to find out."""
    try:
        process = psutil.Process(pid)
        memory, times = process.memory_info(), process.cpu_times()
    except (psutil.Error, OSError):
        return None
    try:
        descriptors = process.num_fds()
    except (psutil.Error, OSError):  # the process of another user
        descriptors = -1
    return ProcessFigures(memory.rss, memory.shared, times.user + times.system, descriptors)
