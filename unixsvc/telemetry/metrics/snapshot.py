"""Metrics at one moment: replies with their latencies, and the state of the clients of other services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import add
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import astuple, replace

from unixsvc.domain.latency_buckets import bucket_bounds, quantile

__all__ = ["ClientStats", "MetricsSnapshot", "SeriesCounts", "TaskStats", "Totals"]

_Stats = TypeVar("_Stats", "ClientStats", "TaskStats", "SeriesCounts")


class ClientStats(Struct, frozen=True):
    """The state of the clients of one other service; the values of several workers can be added.

    :ivar open: the number of workers whose circuit breaker is open: it refuses calls.
    :ivar half_open: the number of workers whose circuit breaker is half-open: the next call decides its
        state.
    :ivar closed: the number of workers whose circuit breaker is closed.
    :ivar refused: the number of refused calls.
    :ivar connections: the number of connections.
    :ivar calls: the number of calls.
    :ivar retries: the number of attempts after the first one of a call.
    :ivar failures: the number of calls that have failed: the service could not be reached, did not reply in
        time, or replied with a code of 500 or more.
    :ivar spent: the number of workers whose retry budget is used up.
    """

    open: int = 0
    half_open: int = 0
    closed: int = 0
    refused: int = 0
    connections: int = 0
    calls: int = 0
    retries: int = 0
    failures: int = 0
    spent: int = 0

    def __add__(self, other: ClientStats) -> ClientStats:
        return ClientStats(*map(add, astuple(self), astuple(other)))

    def past(self) -> ClientStats:
        """The counters, which stay valid when the workers have ended."""
        return replace(self, open=0, half_open=0, closed=0, connections=0, spent=0)


class TaskStats(Struct, frozen=True):
    """The tasks of one name; the values of several workers can be added.

    :ivar done: the number of tasks that have ended well.
    :ivar interrupted: the number of tasks that were cancelled at the end of a drain.
    """

    running: int = 0
    done: int = 0
    failed: int = 0
    interrupted: int = 0

    def __add__(self, other: TaskStats) -> TaskStats:
        return TaskStats(*map(add, astuple(self), astuple(other)))


class SeriesCounts(Struct, frozen=True):
    """The replies of one route to one caller; the values of several workers can be added.

    :ivar codes: the number of replies by code; 0 stands for codes that are no status codes of HTTP.
    :ivar buckets: the histogram of latencies, see :mod:`unixsvc.domain.latency_buckets`.
    """

    codes: dict[int, int] = {}
    buckets: dict[int, int] = {}

    @property
    def seconds(self) -> float:
        """The sum of the latencies.

        It is calculated from the middles of the buckets, as another word would cost every request
        a fiftieth of its time to count: it is at most 3.2 % off, and far less with many different latencies.
        """
        return sum(count * sum(bucket_bounds(bucket)) / 2 for bucket, count in self.buckets.items())

    @property
    def requests(self) -> int:
        """The number of replies."""
        return sum(self.buckets.values())

    @property
    def errors(self) -> int:
        """The number of replies with a code of 500 or more."""
        return sum(count for code, count in self.codes.items() if code >= 500)

    def quantile(self, share: float) -> float:
        """A quantile of the latencies, in seconds, see :func:`unixsvc.domain.latency_buckets.quantile`."""
        return quantile(self.buckets, share)

    def __add__(self, other: SeriesCounts) -> SeriesCounts:
        return _sum_series((self, other))


class Totals(Struct, frozen=True):
    """What a worker counts for all its requests together.

    :ivar wrong_tokens: the number of wrong tokens.
    :ivar received: the bytes that clients have sent, as of the worker's last report.
    :ivar sent: the bytes that were sent to clients, as of then.
    """

    wrong_tokens: int = 0
    received: int = 0
    sent: int = 0

    def __add__(self, other: Totals) -> Totals:
        return Totals(*map(add, astuple(self), astuple(other)))


class MetricsSnapshot(Struct, frozen=True):
    """Metrics at one moment; the values of several workers can be added.

    :ivar series: the replies by route and caller. The route is a method and a pattern, as ``GET /user/{id}``;
        empty for requests without a route. The caller is the name of a token, or ``uid:1000``; empty for
        callers without either.
    :ivar services: the clients of other services by name.
    :ivar tasks: the tasks by name.
    :ivar probes: the replies to health checks by path, as ``/-/ready``, which are no requests: they are
        not in ``series``. A 503 there is an answer, and no failure.
    :ivar calls: the calls to other services that have ended, with all their attempts, by service. Streams are
        not among them, as they last as long as their reader wants.
    """

    series: dict[str, dict[str, SeriesCounts]] = {}
    totals: Totals = Totals()
    services: dict[str, ClientStats] = {}
    tasks: dict[str, TaskStats] = {}
    probes: dict[str, SeriesCounts] = {}
    calls: dict[str, SeriesCounts] = {}

    def __add__(self, other: MetricsSnapshot) -> MetricsSnapshot:
        series = dict(self.series)
        for route, by_caller in other.series.items():
            series[route] = _sum_by_name(series.get(route, {}), by_caller, SeriesCounts())
        return MetricsSnapshot(
            series,
            self.totals + other.totals,
            _sum_by_name(self.services, other.services, ClientStats()),
            _sum_by_name(self.tasks, other.tasks, TaskStats()),
            _sum_by_name(self.probes, other.probes, SeriesCounts()),
            _sum_by_name(self.calls, other.calls, SeriesCounts()),
        )

    def past(self) -> MetricsSnapshot:
        """Return the part that stays valid when the workers have ended: the counters without the states."""
        return replace(
            self,
            services={name: each.past() for name, each in self.services.items()},
            tasks={name: replace(each, running=0) for name, each in self.tasks.items()},
        )

    @property
    def all(self) -> SeriesCounts:
        """The replies of all routes to all callers."""
        return _sum_series(self._each())

    def by_route(self) -> dict[str, SeriesCounts]:
        """The replies of each route to all callers."""
        return {route: _sum_series(each.values()) for route, each in self.series.items()}

    def by_caller(self) -> dict[str, SeriesCounts]:
        """The replies of all routes to each caller."""
        found: dict[str, list[SeriesCounts]] = {}
        for each in self.series.values():
            for caller, counts in each.items():
                found.setdefault(caller, []).append(counts)
        return {caller: _sum_series(each) for caller, each in found.items()}

    def _each(self) -> Iterator[SeriesCounts]:
        for by_caller in self.series.values():
            yield from by_caller.values()


def _sum_series(series: Iterable[SeriesCounts]) -> SeriesCounts:
    """Add up many: a sum of two at a time would copy the dicts each time."""
    codes: dict[int, int] = {}
    buckets: dict[int, int] = {}
    for each in series:
        for code, count in each.codes.items():
            codes[code] = codes.get(code, 0) + count
        for bucket, count in each.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + count
    return SeriesCounts(codes, buckets)


def _sum_by_name(ours: dict[str, _Stats], theirs: dict[str, _Stats], nothing: _Stats) -> dict[str, _Stats]:
    if not ours or not theirs:
        return ours or theirs
    return ours | {name: ours.get(name, nothing) + stats for name, stats in theirs.items()}
