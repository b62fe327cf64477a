"""Metrics of a worker: replies with their latencies, and the state of the clients of other services."""

from __future__ import annotations

from collections import Counter, defaultdict
from operator import add
from typing import Final, TypeVar

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import astuple, replace
from zope.interface import implementer

from unixsvc.domain.interfaces import IMetrics

__all__ = ["ClientStats", "MetricsSnapshot", "ServiceMetrics", "TaskStats"]

_Stats = TypeVar("_Stats", "ClientStats", "TaskStats")
# Each power of two of microseconds is divided into 2**_BITS equal buckets, so the bounds of a bucket differ
# by at most an eighth: the layout of HdrHistogram (hdrhistogram.org), with fewer digits.
_BITS = 3


class ClientStats(Struct, frozen=True):
    """The state of the clients of one other service; the values of several workers can be added.

    :ivar open: the number of workers whose circuit breaker is open: it refuses calls.
    :ivar half_open: the number of workers whose circuit breaker is half-open: the next call decides its
        state.
    :ivar closed: the number of workers whose circuit breaker is closed.
    :ivar refused: the number of refused calls.
    :ivar connections: the number of connections.
    """

    open: int = 0
    half_open: int = 0
    closed: int = 0
    refused: int = 0
    connections: int = 0

    def __add__(self, other: ClientStats) -> ClientStats:
        return ClientStats(*map(add, astuple(self), astuple(other)))


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


class MetricsSnapshot(Struct, frozen=True):
    """Metrics at one moment; the values of several workers can be added.

    :ivar requests: the number of replies.
    :ivar errors: the number of replies with a code of 500 or more.
    :ivar seconds: the sum of the latencies.
    :ivar codes: the number of replies by code.
    :ivar buckets: the histogram of latencies, for :meth:`quantile`.
    :ivar wrong_tokens: the number of wrong tokens.
    :ivar services: the clients of other services by name; unset if there are none, to keep reports short.
    :ivar tasks: the tasks by name; unset if there are none.
    """

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    codes: dict[int, int] = {}
    buckets: dict[int, int] = {}
    services: dict[str, ClientStats] | UnsetType = UNSET
    wrong_tokens: int = 0
    tasks: dict[str, TaskStats] | UnsetType = UNSET

    def __add__(self, other: MetricsSnapshot) -> MetricsSnapshot:
        return MetricsSnapshot(
            self.requests + other.requests,
            self.errors + other.errors,
            self.seconds + other.seconds,
            dict(Counter(self.codes) + Counter(other.codes)),
            dict(Counter(self.buckets) + Counter(other.buckets)),
            _sum_by_name(self.services, other.services, ClientStats()),
            self.wrong_tokens + other.wrong_tokens,
            _sum_by_name(self.tasks, other.tasks, TaskStats()),
        )

    def past(self) -> MetricsSnapshot:
        """Return the part that stays valid when the workers have ended: the counters without the states."""
        past = self
        if self.services:
            counters = {name: ClientStats(refused=stats.refused) for name, stats in self.services.items()}
            past = replace(past, services=counters)
        if self.tasks:
            past = replace(past, tasks={name: replace(each, running=0) for name, each in self.tasks.items()})
        return past

    def quantile(self, share: float) -> float:
        """Return a quantile of the latencies, in seconds; 0 if there are no replies.

        The result is up to an eighth too high.

        :param share: from 0 to 1: 0.99 for the 99th percentile.
        """
        rank = share * self.requests
        count = 0
        for bucket in sorted(self.buckets):
            count += self.buckets[bucket]
            if count >= rank:
                return _upper(bucket) / 1e6
        return 0.0


@implementer(IMetrics)
class ServiceMetrics:
    """The metrics of one worker."""

    def __init__(self) -> None:
        self.clear()

    def count(self, code: int, seconds: float) -> None:
        """Count a reply."""
        self._seconds += seconds
        if code != 200:
            self._other_codes[code] += 1
        micros = int(seconds * 1e6)
        self._buckets[_BUCKETS[micros] if micros < _TABLE_SIZE else _bucket(micros)] += 1

    def recount(self, code: int) -> None:
        """Count a reply with another code than 200, with which it was counted already."""
        if code != 200:
            self._other_codes[code] += 1

    def count_wrong_token(self) -> None:
        """Count a wrong token."""
        self._wrong_tokens += 1

    def clear(self) -> None:
        """Reset all counters."""
        self._wrong_tokens = 0
        self._other_codes: defaultdict[int, int] = defaultdict(int)  # by code, without 200
        self._buckets: defaultdict[int, int] = defaultdict(int)
        self._seconds = 0.0

    def snapshot(self) -> MetricsSnapshot:
        """Return the current values."""
        requests, other_codes = sum(self._buckets.values()), dict(self._other_codes)
        succeeded = requests - sum(other_codes.values())
        codes = ({200: succeeded} if succeeded else {}) | other_codes
        errors = sum(count for code, count in codes.items() if code >= 500)
        return MetricsSnapshot(
            requests,
            errors,
            self._seconds,
            codes,
            dict(self._buckets),
            wrong_tokens=self._wrong_tokens,
        )


def _sum_by_name(
    ours: dict[str, _Stats] | UnsetType, theirs: dict[str, _Stats] | UnsetType, nothing: _Stats
) -> dict[str, _Stats] | UnsetType:
    if not ours or not theirs:
        return ours or theirs
    return ours | {name: ours.get(name, nothing) + stats for name, stats in theirs.items()}


def _bucket(micros: int) -> int:
    shift = micros.bit_length() - _BITS - 1
    return micros if shift <= 0 else (shift << _BITS) + (micros >> shift)


# Most actions take less than a millisecond, and a lookup is cheaper than a call.
_TABLE_SIZE: Final = 1024
_BUCKETS: Final = [_bucket(micros) for micros in range(_TABLE_SIZE)]


def _upper(bucket: int) -> int:
    """Return the upper bound of a bucket, in microseconds (exclusive)."""
    shift = max((bucket >> _BITS) - 1, 0)
    return (bucket - (shift << _BITS) + 1) << shift
