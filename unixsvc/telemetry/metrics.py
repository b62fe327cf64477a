"""Counts replies, and how long they took; and how the services do that are asked for them."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace
from zope.interface import implementer

from unixsvc.domain.interfaces import IMetrics

__all__ = ["ClientStats", "MetricsSnapshot", "ServiceMetrics"]

# Each power of two of microseconds is cut into 2**_BITS equal buckets, so a bucket's bounds differ by at
# most an eighth: the layout of HdrHistogram (hdrhistogram.org), with fewer digits.
_BITS = 3


class ClientStats(Struct, frozen=True):
    """How one of the services does that are asked; what several workers tell of it can be added.

    :ivar open: of how many workers the breaker is open: they refuse calls to it.
    :ivar half_open: of how many that is over, and the next call shows whether it is there again.
    :ivar closed: of how many all is well.
    :ivar refused: how many calls were refused.
    :ivar connections: how many there are to it.
    """

    open: int = 0
    half_open: int = 0
    closed: int = 0
    refused: int = 0
    connections: int = 0

    def __add__(self, other: ClientStats) -> ClientStats:
        return ClientStats(
            self.open + other.open,
            self.half_open + other.half_open,
            self.closed + other.closed,
            self.refused + other.refused,
            self.connections + other.connections,
        )


class MetricsSnapshot(Struct, frozen=True):
    """Figures at one moment; those of several workers can be added.

    :ivar requests: how many were answered.
    :ivar errors: how many of the replies had a code of 500 or more.
    :ivar seconds: the time that all of them took together.
    :ivar codes: how many replies had each code.
    :ivar buckets: how many took how long; the keys mean something to :meth:`quantile` alone.
    :ivar services: those that were asked, by name; unset if none was, as it then takes no room in a report.
    """

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    codes: dict[int, int] = {}
    buckets: dict[int, int] = {}
    services: dict[str, ClientStats] | UnsetType = UNSET

    def __add__(self, other: MetricsSnapshot) -> MetricsSnapshot:
        return MetricsSnapshot(
            self.requests + other.requests,
            self.errors + other.errors,
            self.seconds + other.seconds,
            dict(Counter(self.codes) + Counter(other.codes)),
            dict(Counter(self.buckets) + Counter(other.buckets)),
            _added(self.services, other.services),
        )

    def past(self) -> MetricsSnapshot:
        """What stays when the workers have ended: what they have counted, not how things were with them."""
        if not self.services:
            return self
        counted = {name: ClientStats(refused=each.refused) for name, each in self.services.items()}
        return replace(self, services=counted)

    def quantile(self, share: float) -> float:
        """The time within which a share of the replies was there, in seconds; 0 if there were none.

        :param share: from 0 to 1: 0.99 for the 99th percentile. It is at most an eighth too high.
        """
        wanted = share * self.requests
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= wanted:
                return _upper(bucket) / 1e6
        return 0.0


@implementer(IMetrics)
class ServiceMetrics:
    """The figures of one worker."""

    def __init__(self) -> None:
        self.clear()

    def count(self, code: int, seconds: float) -> None:
        """One more reply."""
        self._seconds += seconds
        if code != 200:
            self._others[code] += 1
        micros = int(seconds * 1e6)
        self._buckets[_FIRST[micros] if micros < _MANY else _bucket(micros)] += 1

    def clear(self) -> None:
        """Begin at nothing."""
        self._others: defaultdict[int, int] = defaultdict(int)  # replies by code, but for 200
        self._buckets: defaultdict[int, int] = defaultdict(int)
        self._seconds = 0.0

    def snapshot(self) -> MetricsSnapshot:
        """The figures as they are now."""
        requests, others = sum(self._buckets.values()), dict(self._others)
        succeeded = requests - sum(others.values())
        codes = ({200: succeeded} if succeeded else {}) | others
        errors = sum(count for code, count in codes.items() if code >= 500)
        return MetricsSnapshot(requests, errors, self._seconds, codes, dict(self._buckets))


def _added(
    ours: dict[str, ClientStats] | UnsetType, theirs: dict[str, ClientStats] | UnsetType
) -> dict[str, ClientStats] | UnsetType:
    if not ours or not theirs:
        return ours or theirs
    return ours | {name: ours.get(name, ClientStats()) + each for name, each in theirs.items()}


def _bucket(micros: int) -> int:
    shift = micros.bit_length() - _BITS - 1
    return micros if shift <= 0 else (shift << _BITS) + (micros >> shift)


# Nearly every action takes less time than a millisecond, and looking up is cheaper than calling.
_MANY: Final = 1024
_FIRST: Final = [_bucket(micros) for micros in range(_MANY)]


def _upper(bucket: int) -> int:
    """The first whole microsecond past a bucket."""
    shift = max((bucket >> _BITS) - 1, 0)
    return (bucket - (shift << _BITS) + 1) << shift
