"""Samples of one service, as the orchestrator would report them."""

from __future__ import annotations

from unixsvc.cli.top.samples import Sample
from unixsvc.domain.latency_buckets import UNITS, bucket_of
from unixsvc.orchestrator.figures import ProcessFigures, ServiceFigures, WorkerFigures
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot, SeriesCounts

__all__ = ["counts", "sample", "service", "worker"]


def counts(milliseconds: dict[int, int], errors: int = 0) -> SeriesCounts:
    """Replies of a route.

    :param milliseconds: how many took so long.
    :param errors: how many of them have the code 500.
    """
    buckets = {bucket_of(int(each * UNITS / 1000)): count for each, count in milliseconds.items()}
    codes = {200: sum(milliseconds.values()) - errors, 500: errors}
    return SeriesCounts({code: count for code, count in codes.items() if count}, buckets)


def worker(
    slot: int = 1,
    pid: int | None = 7001,
    phase: str = "ready",
    *,
    requests: int = 0,
    cpu: float = 0.0,
    uptime: float = 100.0,
    lag: float = 0.001,
) -> WorkerFigures:
    """A worker with three connections and two requests in flight; one of ten requests has failed."""
    process = None if pid is None else ProcessFigures(40 * 2**20, 10 * 2**20, cpu, 20)
    return WorkerFigures(slot, pid, phase, 1, uptime, 3, 2, requests, requests // 10, lag, process)


def service(
    routes: dict[str, SeriesCounts],
    *workers: WorkerFigures,
    status: str = "ready",
    exits: dict[str, int] | None = None,
) -> ServiceFigures:
    """A service whose only caller has no name."""
    series = {route: {"": each} for route, each in routes.items()}
    return ServiceFigures(status, MetricsSnapshot(series), exits or {}, list(workers))


def sample(time: float, **services: ServiceFigures) -> Sample:
    """A sample."""
    return Sample(time, services)
