"""The histogram of latencies."""

from __future__ import annotations

import math
import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.latency_buckets import (
    BUCKET_TABLE,
    BUCKETS,
    LARGE,
    OFFSET,
    SHIFT,
    TABLE_SIZE,
    UNITS,
    bucket_bounds,
    bucket_of,
    quantile,
)

_units = st.integers(0, 2**31 - 1)


class BucketTests(SynchronousTestCase):
    """Buckets."""

    @given(_units)
    def test_bounds(self, units: int) -> None:
        """A latency is within the bounds of its bucket."""
        low, high = bucket_bounds(bucket_of(units))
        self.assertTrue(low * UNITS <= units < high * UNITS)

    def test_without_gaps(self) -> None:
        """Each bucket begins where the one before it ends; the last one is beyond 100 s."""
        for bucket in range(1, BUCKETS):
            self.assertEqual(bucket_bounds(bucket)[0], bucket_bounds(bucket - 1)[1])
        self.assertEqual(bucket_bounds(0)[0], 0.0)
        self.assertGreater(bucket_bounds(BUCKETS - 1)[0], 100.0)
        self.assertEqual(bucket_of(10**15), BUCKETS - 1)

    def test_error(self) -> None:
        """From 1 µs on, the middle of a bucket is at most 3.2 % from any latency in it."""
        for bucket in range(bucket_of(int(UNITS / 1e6)), BUCKETS):
            low, high = bucket_bounds(bucket)
            self.assertLess((high - low) / 2 / low, 0.032)

    def test_table(self) -> None:
        """The table has the buckets of short latencies, and with an offset those of longer ones."""
        for units in range(TABLE_SIZE):
            self.assertEqual(BUCKET_TABLE[units], bucket_of(units))
        for units in range(TABLE_SIZE, LARGE, 97):
            self.assertEqual(BUCKET_TABLE[units >> SHIFT] + OFFSET, bucket_of(units))


class QuantileTests(SynchronousTestCase):
    """Quantiles."""

    def test_nothing(self) -> None:
        """Without latencies it is 0."""
        for share in (0, 0.5, 0.99, 1):
            self.assertEqual(quantile({}, share), 0.0)

    @given(st.lists(_units, min_size=1, max_size=50), st.floats(0, 1))
    def test_bucket(self, units: list[int], share: float) -> None:
        """It is the middle of the bucket that has the exact quantile."""
        exact = sorted(units)[max(math.ceil(share * len(units)) - 1, 0)]
        found = quantile(dict(Counter(map(bucket_of, units))), share)
        low, high = bucket_bounds(bucket_of(exact))
        self.assertEqual(found, (low + high) / 2)

    def test_distributions(self) -> None:
        """The 99th percentile of three distributions is at most 5 % off."""
        chance = random.Random(7)  # noqa: S311  # no secret
        for name, draw in {
            "exponential": lambda: chance.expovariate(1 / 200e-6),
            "log-normal": lambda: chance.lognormvariate(math.log(2e-3), 1.0),
            "two peaks": lambda: chance.gauss(*((3e-5, 2e-6) if chance.random() < 0.98 else (1, 0.1))),
        }.items():
            seconds = sorted(max(draw(), 1e-6) for _ in range(20_000))
            counts = dict(Counter(bucket_of(int(each * UNITS)) for each in seconds))
            for share in 0.5, 0.9, 0.99:
                exact = seconds[math.ceil(share * len(seconds)) - 1]
                self.assertLess(abs(quantile(counts, share) / exact - 1), 0.05, f"{name} {share}")
