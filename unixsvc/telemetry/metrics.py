"""Counts replies, and how long they took."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct
from zope.interface import implementer

from unixsvc.domain.interfaces import IFigures

__all__ = ["Figures", "Snapshot"]

# Each power of two of microseconds is cut into 2**_BITS equal buckets, so a bucket's bounds differ by at
# most an eighth: the layout of HdrHistogram (hdrhistogram.org), with fewer digits.
_BITS = 3


class Snapshot(Struct, frozen=True):
    """Figures at one moment; those of several workers can be added.

    :ivar requests: how many were answered.
    :ivar errors: how many of the replies had a code of 500 or more.
    :ivar seconds: the time that all of them took together.
    :ivar codes: how many replies had each code.
    :ivar buckets: how many took how long; the keys mean something to :meth:`quantile` alone.
    """

    requests: int = 0
    errors: int = 0
    seconds: float = 0.0
    codes: dict[int, int] = {}
    buckets: dict[int, int] = {}

    def __add__(self, other: Snapshot) -> Snapshot:
        return Snapshot(
            self.requests + other.requests,
            self.errors + other.errors,
            self.seconds + other.seconds,
            dict(Counter(self.codes) + Counter(other.codes)),
            dict(Counter(self.buckets) + Counter(other.buckets)),
        )

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


@implementer(IFigures)
class Figures:
    """The figures of one worker."""

    def __init__(self) -> None:
        self.clear()

    def count(self, code: int, seconds: float) -> None:
        """One more reply."""
        self._seconds += seconds
        codes, buckets = self._codes, self._buckets
        codes[code] = codes.get(code, 0) + 1
        bucket = _bucket(int(seconds * 1e6))
        buckets[bucket] = buckets.get(bucket, 0) + 1

    def clear(self) -> None:
        """Begin at nothing."""
        self._codes: dict[int, int] = {}
        self._buckets: dict[int, int] = {}
        self._seconds = 0.0

    def snapshot(self) -> Snapshot:
        """The figures as they are now."""
        codes = dict(self._codes)
        errors = sum(count for code, count in codes.items() if code >= 500)
        return Snapshot(sum(codes.values()), errors, self._seconds, codes, dict(self._buckets))


def _bucket(micros: int) -> int:
    shift = micros.bit_length() - _BITS - 1
    return micros if shift <= 0 else (shift << _BITS) + (micros >> shift)


def _upper(bucket: int) -> int:
    """The first whole microsecond past a bucket."""
    shift = max((bucket >> _BITS) - 1, 0)
    return (bucket - (shift << _BITS) + 1) << shift
