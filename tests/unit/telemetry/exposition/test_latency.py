"""Histograms with configured buckets."""

from __future__ import annotations

import random
from collections import Counter

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.metrics import DEFAULT_BUCKETS
from unixsvc.domain.latency_buckets import UNITS, bucket_of
from unixsvc.telemetry.exposition.latency import LatencyBuckets
from unixsvc.telemetry.exposition.model import Exemplar


class LatencyTests(SynchronousTestCase):
    """The log-linear buckets, added up."""

    def test_samples(self) -> None:
        """The buckets are cumulative; the last one is infinite and equals the count."""
        buckets = {
            bucket_of(int(seconds * UNITS)): count for seconds, count in ((0.002, 2), (0.3, 1), (60, 4))
        }
        samples = LatencyBuckets([0.001, 0.01, 1]).samples('a="b"', buckets, 241)
        found = [(each.suffix, each.labels, each.value) for each in samples]
        ends = [("0.001", 0), ("0.01", 2), ("1.0", 3), ("+Inf", 7)]
        expected = [("_bucket", f'a="b",le="{end}"', count) for end, count in ends]
        self.assertEqual(found, [*expected, ("_sum", 'a="b"', 241.0), ("_count", 'a="b"', 7)])

    def test_exemplars(self) -> None:
        """The newest exemplar of each bucket stays; a bound belongs to the bucket that it ends."""
        given = [
            Exemplar({"trace_id": str(number)}, seconds, time)
            for number, (seconds, time) in enumerate([(0.005, 2.0), (0.01, 3.0), (0.006, 1.0), (7.0, 1.0)])
        ]
        samples = LatencyBuckets([0.001, 0.01, 1]).samples('a="b"', {}, 0, given)
        found = [each.exemplar and each.exemplar.labels["trace_id"] for each in samples]
        self.assertEqual(found, [None, "1", None, "3", None, None])

    def test_accuracy(self) -> None:
        """Only latencies within 3.2 % of a bound count on the wrong side, from 1 µs on."""
        numbers = random.Random(1)  # noqa: S311  # no secret
        latencies = [10 ** numbers.uniform(-6, 2) for _ in range(20_000)]
        buckets = Counter(bucket_of(int(each * UNITS)) for each in latencies)
        samples = list(LatencyBuckets(DEFAULT_BUCKETS).samples('a="b"', buckets, 1))
        for bound, sample in zip(DEFAULT_BUCKETS, samples, strict=False):
            low, high = (sum(each <= bound * part for each in latencies) for part in (0.968, 1.033))
            self.assertTrue(low <= sample.value <= high, (bound, low, sample.value, high))
