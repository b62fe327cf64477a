"""What happened between two samples: a row for each service, worker and route."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, TypedDict

from msgspec import Struct
from msgspec.structs import replace

from unixsvc.cli.top.samples import Sample
from unixsvc.orchestrator.figures import ServiceFigures, WorkerFigures
from unixsvc.telemetry.metrics.snapshot import SeriesCounts, Totals

__all__ = ["FAILURES", "Figures", "Kind", "Row", "ServiceRows", "between"]

Kind: TypeAlias = Literal["service", "worker", "route"]
_NO_ROUTE: Final = "(no route)"
_USUAL: Final = "ready"  # the state that needs no word
FAILURES: Final = frozenset({"crash", "start", "watchdog"})
"""The reasons of exits that are failures of the worker."""
_NOTHING: Final = SeriesCounts()


class Figures(Struct, frozen=True, kw_only=True):
    """The figures of a row; None stands for those that are not known, or that its kind does not have.

    :ivar requests: all replies until now.
    :ivar errors: those of them with a code of 500 or more.
    :ivar request_rate: replies in a second, since the earlier sample.
    :ivar error_rate: those of them that are errors.
    :ivar p50: the median of the latencies since the earlier sample, in seconds.
    :ivar p99: their 99th percentile.
    :ivar memory: resident memory, in bytes.
    :ivar cpu: processor time since the earlier sample; 1.0 is one processor.
    :ivar restarts: how often workers were replaced after a failure.
    :ivar lag: how late the event loop is, in seconds; of a service, that of its worst worker.
    :ivar uptime: in seconds; of a service, that of its oldest worker.
    :ivar queued: the number of requests and tasks that wait for memory or for a thread.
    :ivar received: the bytes that clients have sent, until now.
    :ivar sent: the bytes that were sent to clients.
    :ivar received_rate: the bytes of a second, since the earlier sample.
    """

    requests: int
    errors: int
    request_rate: float | None = None
    error_rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    inflight: int | None = None
    connections: int | None = None
    memory: int | None = None
    cpu: float | None = None
    restarts: int | None = None
    lag: float | None = None
    uptime: float | None = None
    queued: int | None = None
    received: int | None = None
    sent: int | None = None
    received_rate: float | None = None
    sent_rate: float | None = None


class _Bytes(TypedDict):
    """Some fields of :class:`Figures`."""

    received: int
    sent: int
    received_rate: float | None
    sent_rate: float | None


class Row(Struct, frozen=True):
    """A row of the table.

    :ivar service: the name of the service.
    :ivar name: the name of the row, as ``[1] 7012`` for the worker in slot 1, and ``GET /items``.
    :ivar state: as ``draining``; empty for routes.
    :ivar slot: of a worker.
    :ivar pid: of a worker that has one.
    """

    kind: Kind
    service: str
    name: str
    state: str
    figures: Figures
    slot: int | None = None
    pid: int | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What identifies the row in later samples."""
        return self.service, self.kind, self.name

    @property
    def label(self) -> str:
        """The name, and the state if it is not the usual one."""
        return f"{self.name} {self.state}" if self.state not in ("", _USUAL) else self.name


class ServiceRows(Struct, frozen=True):
    """The rows of a service.

    :ivar exits: the workers that have ended, by reason.
    """

    service: Row
    workers: list[Row]
    routes: list[Row]
    exits: dict[str, int] = {}


def between(before: Sample | None, now: Sample) -> list[ServiceRows]:
    """Make the rows.

    :param before: the earlier sample; without it, there are no rates.
    """
    seconds = 0.0 if before is None else now.time - before.time
    earlier = {} if before is None else before.services
    # A service that is new since the earlier sample has no rates yet.
    return [
        _service_rows(name, earlier.get(name, each), each, seconds if name in earlier else 0.0)
        for name, each in now.services.items()
    ]


def _service_rows(name: str, before: ServiceFigures, now: ServiceFigures, seconds: float) -> ServiceRows:
    known = {each.pid: each for each in before.workers}
    workers = [_worker_row(name, known.get(each.pid), each, seconds) for each in now.workers]
    earlier = before.metrics.by_route()
    routes = [
        Row("route", name, route or _NO_ROUTE, "", _counted(earlier.get(route, _NOTHING), counts, seconds))
        for route, counts in now.metrics.by_route().items()
    ]
    figures = replace(
        _counted(before.metrics.all, now.metrics.all, seconds),
        inflight=sum(each.inflight for each in now.workers),
        queued=sum(each.queued for each in now.workers),
        connections=sum(each.connections for each in now.workers),
        memory=sum(each.process.resident for each in now.workers if each.process is not None),
        cpu=_sum(each.figures.cpu for each in workers),
        restarts=sum(count for reason, count in now.exits.items() if reason in FAILURES),
        lag=max((each.lag for each in now.workers), default=None),
        uptime=max((each.uptime for each in now.workers), default=None),
        **_bytes(before.metrics.totals, now.metrics.totals, seconds),
    )
    return ServiceRows(Row("service", name, name, now.status, figures), workers, routes, now.exits)


def _worker_row(service: str, before: WorkerFigures | None, now: WorkerFigures, seconds: float) -> Row:
    requests = errors = 0
    cpu = 0.0
    if before is None:  # all it did was after its start
        seconds = min(seconds, now.uptime)
    else:
        requests, errors = before.requests, before.errors
        cpu = 0.0 if before.process is None else before.process.cpu
    process = now.process
    figures = Figures(
        requests=now.requests,
        errors=now.errors,
        request_rate=_rate(now.requests - requests, seconds),
        error_rate=_rate(now.errors - errors, seconds),
        inflight=now.inflight,
        queued=now.queued,
        connections=now.connections,
        memory=None if process is None else process.resident,
        cpu=None if process is None else _rate(process.cpu - cpu, seconds),
        lag=now.lag,
        uptime=now.uptime,
        **_bytes(Totals() if before is None else before, now, seconds),
    )
    name = f"[{now.slot}] {now.pid or ''}".rstrip()
    return Row("worker", service, name, now.phase, figures, now.slot, now.pid)


def _bytes(before: Totals | WorkerFigures, now: Totals | WorkerFigures, seconds: float) -> _Bytes:
    """What clients have sent and received until two moments."""
    return _Bytes(
        received=now.received,
        sent=now.sent,
        received_rate=_rate(max(now.received - before.received, 0), seconds),
        sent_rate=_rate(max(now.sent - before.sent, 0), seconds),
    )


def _counted(before: SeriesCounts, now: SeriesCounts, seconds: float) -> Figures:
    """The figures of replies that were counted until two moments."""
    if now.requests < before.requests:  # the orchestrator has started again
        before = _NOTHING
    new = SeriesCounts(_difference(before.codes, now.codes), _difference(before.buckets, now.buckets))
    return Figures(
        requests=now.requests,
        errors=now.errors,
        request_rate=_rate(new.requests, seconds),
        error_rate=_rate(new.errors, seconds),
        p50=new.quantile(0.5) if new.requests else None,
        p99=new.quantile(0.99) if new.requests else None,
    )


def _difference(before: dict[int, int], now: dict[int, int]) -> dict[int, int]:
    found = {key: count - before.get(key, 0) for key, count in now.items()}
    return {key: count for key, count in found.items() if count > 0}


def _rate(counted: float, seconds: float) -> float | None:
    return max(counted, 0.0) / seconds if seconds > 0 else None


def _sum(values: Iterable[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return sum(known) if known else None
