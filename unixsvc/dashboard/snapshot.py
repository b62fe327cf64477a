"""What the page shows at one moment: the figures, and the differences to those before. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from unixsvc.orchestrator.figures import ServiceFigures, WorkerFigures
from unixsvc.telemetry.metrics.snapshot import ClientStats, MetricsSnapshot, SeriesCounts

__all__ = ["CallRow", "Moment", "RouteRow", "ServiceRow", "Snapshot", "WorkerRow", "make_snapshot"]


_NONE: Final = SeriesCounts()


class RouteRow(Struct, frozen=True):
    """The replies of a route, or of a whole service.

    :ivar requests: since the start.
    :ivar errors: those with a code of 500 or more, since the start.
    :ivar codes: the numbers of replies since the start, by code.
    :ivar rate: requests per second since the snapshot before; None in the first one.
    :ivar error_rate: errors per second.
    :ivar p50: a quantile of the latencies since the snapshot before, in seconds; None without replies.
    """

    requests: int
    errors: int
    codes: dict[int, int]
    rate: float | None = None
    error_rate: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None


class WorkerRow(Struct, frozen=True):
    """A worker.

    :ivar cpu: the share of one CPU that it has used since the snapshot before; None in its first one.
    :ivar resident: memory in bytes; None after its end.
    :ivar lag: of its event loop, in seconds.
    :ivar received: the bytes that clients have sent.
    :ivar sent: the bytes that were sent to clients.
    :ivar queued: the number of requests and tasks that wait for memory or for a thread.
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
    received: int
    sent: int
    queued: int
    cpu: float | None = None
    resident: int | None = None
    shared: int | None = None
    descriptors: int | None = None


class CallRow(Struct, frozen=True):
    """The calls to another service.

    :ivar rate: calls per second since the snapshot before; None in the first one.
    :ivar p50: a quantile of the time of the calls since the snapshot before, in seconds; None without calls.
    :ivar open: the number of workers whose circuit breaker is open.
    """

    open: int
    half_open: int
    closed: int
    refused: int
    calls: int
    failures: int
    retries: int
    rate: float | None = None
    p50: float | None = None
    p99: float | None = None


class ServiceRow(Struct, frozen=True):
    """A service.

    :ivar exits: the workers that have ended, by reason.
    :ivar received: the bytes that clients have sent.
    :ivar sent: the bytes that were sent to clients.
    """

    status: str
    exits: dict[str, int]
    total: RouteRow
    routes: dict[str, RouteRow]
    calls: dict[str, CallRow]
    workers: list[WorkerRow]
    received: int
    sent: int


class Snapshot(Struct, frozen=True):
    """Everything.

    :ivar time: in seconds since 1970.
    :ivar seconds: since the snapshot before; None in the first one.
    """

    time: float
    seconds: float | None
    services: dict[str, ServiceRow]


class Moment(Struct, frozen=True):
    """The figures at a time, in seconds of a clock that is never set."""

    time: float
    figures: Mapping[str, ServiceFigures]


def make_snapshot(now: float, new: Moment, old: Moment | None) -> Snapshot:
    """Make the snapshot of a moment.

    :param now: the time in seconds since 1970.
    :param old: the moment of the snapshot before.
    """
    seconds = None if old is None or new.time <= old.time else new.time - old.time
    before: Mapping[str, ServiceFigures] = {} if old is None else old.figures
    rows = {name: _service(each, before.get(name), seconds) for name, each in new.figures.items()}
    return Snapshot(now, seconds, rows)


def _service(new: ServiceFigures, old: ServiceFigures | None, seconds: float | None) -> ServiceRow:
    before = MetricsSnapshot() if old is None else old.metrics
    routes, routes_before = new.metrics.by_route(), before.by_route()
    cpu_before = {each.pid: each.process.cpu for each in old.workers if each.process} if old else {}
    total = _route(sum(routes.values(), SeriesCounts()), sum(routes_before.values(), SeriesCounts()), seconds)
    return ServiceRow(
        status=new.status,
        exits=new.exits,
        total=total,
        routes={name: _route(each, routes_before.get(name), seconds) for name, each in routes.items()},
        calls={
            name: _calls(
                each,
                before.services.get(name),
                _route(new.metrics.calls.get(name, _NONE), before.calls.get(name), seconds),
                seconds,
            )
            for name, each in new.metrics.services.items()
        },
        workers=[_worker(each, cpu_before.get(each.pid), seconds) for each in new.workers],
        received=new.metrics.totals.received,
        sent=new.metrics.totals.sent,
    )


def _route(new: SeriesCounts, old: SeriesCounts | None, seconds: float | None) -> RouteRow:
    if seconds is None:
        return RouteRow(new.requests, new.errors, new.codes)
    old = SeriesCounts() if old is None else old
    # Counters never go back; a service that was removed and added again begins at zero.
    buckets = dict(Counter(new.buckets) - Counter(old.buckets))
    fresh = SeriesCounts(dict(Counter(new.codes) - Counter(old.codes)), buckets)
    quantiles = [fresh.quantile(share) if fresh.requests else None for share in (0.5, 0.9, 0.99)]
    rate, errors = fresh.requests / seconds, fresh.errors / seconds
    return RouteRow(new.requests, new.errors, new.codes, rate, errors, *quantiles)


def _calls(new: ClientStats, old: ClientStats | None, ended: RouteRow, seconds: float | None) -> CallRow:
    rate = None
    if seconds is not None:
        rate = max(new.calls - (old.calls if old else 0), 0) / seconds
    return CallRow(
        new.open,
        new.half_open,
        new.closed,
        new.refused,
        new.calls,
        new.failures,
        new.retries,
        rate,
        ended.p50,
        ended.p99,
    )


def _worker(new: WorkerFigures, cpu_before: float | None, seconds: float | None) -> WorkerRow:
    row = (
        new.slot, new.pid, new.phase, new.generation, new.uptime, new.connections, new.inflight,
        new.requests, new.errors, new.lag, new.received, new.sent, new.queued,
    )  # fmt: skip
    process = new.process
    if process is None:
        return WorkerRow(*row)
    cpu = None
    if seconds is not None and cpu_before is not None:
        cpu = max(process.cpu - cpu_before, 0.0) / seconds
    return WorkerRow(*row, cpu, process.resident, process.shared, process.descriptors)
