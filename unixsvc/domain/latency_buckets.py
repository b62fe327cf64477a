"""The histogram of latencies: log-linear buckets.

Each power of two is divided into 16 equal buckets, the layout of HdrHistogram (hdrhistogram.org) with fewer
digits. The unit is a sixteenth of a microsecond, so that buckets differ by at most a sixteenth from 1 µs on:
the middle of a bucket is at most 3.2 % from any latency in it.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BUCKETS",
    "BUCKET_TABLE",
    "LARGE",
    "OFFSET",
    "SHIFT",
    "TABLE_SIZE",
    "UNITS",
    "bucket_bounds",
    "bucket_of",
    "quantile",
]

UNITS: Final = 16e6
"""The units of latencies in a second; a float, as the product of two floats costs least."""

_BITS: Final = 4
BUCKETS: Final = 448
"""The number of buckets; the last one is for all that take longer than 130 s."""


def bucket_of(units: int) -> int:
    """The bucket of a latency.

    :param units: the latency, in units of ``1 / UNITS`` seconds.
    """
    return min(_bucket(units), BUCKETS - 1)


def bucket_bounds(bucket: int) -> tuple[float, float]:
    """The lowest latency of a bucket, and that of the next one, in seconds."""
    shift = max((bucket >> _BITS) - 1, 0)
    low = bucket - (shift << _BITS)
    return (low << shift) / UNITS, ((low + 1) << shift) / UNITS


def quantile(buckets: dict[int, int], share: float) -> float:
    """A quantile of latencies, in seconds; 0 if there are none. It is at most 3.2 % off from 1 µs on.

    :param buckets: the number of latencies in each bucket.
    :param share: from 0 to 1: 0.99 for the 99th percentile.
    """
    rank = share * sum(buckets.values())
    count = 0
    for bucket in sorted(buckets):
        count += buckets[bucket]
        if count >= rank and count:
            low, high = bucket_bounds(bucket)
            return (low + high) / 2
    return 0.0


def _bucket(units: int) -> int:
    shift = units.bit_length() - _BITS - 1
    return units if shift <= 0 else (shift << _BITS) + (units >> shift)


TABLE_SIZE: Final = 4096
_NUMBERS: Final = tuple(range(BUCKETS))  # one object for each number, as they would take most of the memory
BUCKET_TABLE: Final = tuple(_NUMBERS[_bucket(units)] for units in range(TABLE_SIZE))
"""The buckets of latencies below a quarter of a millisecond, as most are: a lookup costs less than a call.

A tuple, as an array makes an object of a number at each lookup.
"""
SHIFT: Final = 7
LARGE: Final = TABLE_SIZE << SHIFT
"""Below it, the bucket of a latency is that of ``units >> SHIFT``, and :data:`OFFSET` more."""
OFFSET: Final = SHIFT << _BITS
