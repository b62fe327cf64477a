"""Histograms with configured buckets, made of the log-linear ones in which latencies are counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from unixsvc.domain.latency_buckets import BUCKETS, bucket_bounds
from unixsvc.telemetry.exposition.model import Sample
from unixsvc.telemetry.exposition.text import number_text

__all__ = ["LatencyBuckets"]


class LatencyBuckets:
    """The buckets of all histograms of latencies.

    A log-linear bucket counts for the bounds that are above its middle. So a latency that is less than 3.2 %
    from a bound may count on the other side of it.

    :param bounds: the upper bounds, in seconds, in ascending order.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = [float(each) for each in bounds]
        self._places = [
            bisect_left(self._bounds, sum(bucket_bounds(bucket)) / 2) for bucket in range(BUCKETS)
        ]
        self._ends = [f',le="{number_text(bound)}"' for bound in [*self._bounds, float("inf")]]

    def samples(self, labels: str, buckets: Mapping[int, int], seconds: float) -> Iterator[Sample]:
        """The samples of one series.

        :param labels: at least one, as text.
        :param buckets: the number of latencies in each log-linear bucket.
        :param seconds: the sum of the latencies.
        """
        counts = [0] * len(self._ends)
        for bucket, count in buckets.items():
            counts[self._places[bucket]] += count
        total = 0
        for end, total in zip(self._ends, accumulate(counts), strict=True):
            yield Sample("_bucket", labels + end, total)
        yield Sample("_sum", labels, float(seconds))
        yield Sample("_count", labels, total)
