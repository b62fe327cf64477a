"""Histograms with configured buckets, made of the log-linear ones in which latencies are counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from unixsvc.domain.latency_buckets import BUCKETS, bucket_bounds
from unixsvc.telemetry.exposition.model import Exemplar, Sample
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

    def samples(
        self,
        labels: str,
        buckets: Mapping[int, int],
        seconds: float,
        exemplars: Iterable[Exemplar] = (),
    ) -> Iterator[Sample]:
        """The samples of one series.

        :param labels: at least one, as text.
        :param buckets: the number of latencies in each log-linear bucket.
        :param seconds: the sum of the latencies.
        :param exemplars: some of the latencies; a bucket has the newest one of its own.
        """
        newest = {
            bisect_left(self._bounds, each.value): each
            for each in sorted(exemplars, key=lambda each: each.time or 0.0)
        }
        counts = [0] * len(self._ends)
        for bucket, count in buckets.items():
            counts[self._places[bucket]] += count
        total = 0
        for place, (end, total) in enumerate(zip(self._ends, accumulate(counts), strict=True)):
            yield Sample("_bucket", labels + end, total, newest.get(place))
        yield Sample("_sum", labels, float(seconds))
        yield Sample("_count", labels, total)
