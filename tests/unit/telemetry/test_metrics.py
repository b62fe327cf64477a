"""The metrics of a worker."""

from __future__ import annotations

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.metrics import ClientStats, MetricsSnapshot, ServiceMetrics

MICROSECOND = 1e-6

times = st.integers(0, 10**10).map(lambda micros: (micros + 0.5) / 1e6)


def snapshot_of(*seconds: float, code: int = 200) -> MetricsSnapshot:
    """What has been counted."""
    stats = ServiceMetrics()
    for each in seconds:
        stats.count(code, each)
    return stats.snapshot()


class MetricsTests(SynchronousTestCase):
    """Metrics."""

    def test_nothing(self) -> None:
        """All values are zero before the first reply."""
        self.assertEqual(snapshot_of(), MetricsSnapshot())
        self.assertEqual(
            (MetricsSnapshot().requests, MetricsSnapshot().errors, MetricsSnapshot().seconds), (0, 0, 0.0)
        )
        for share in (0, 0.5, 0.99, 1):
            self.assertEqual(MetricsSnapshot().quantile(share), 0.0)

    def test_codes(self) -> None:
        """Replies are counted by code; codes of 500 and more are errors."""
        stats = ServiceMetrics()
        for code in (200, 200, 404, 499, 500, 503, 504, 504):
            stats.count(code, 0.25)
        found = stats.snapshot()
        self.assertEqual(found.codes, {200: 2, 404: 1, 499: 1, 500: 1, 503: 1, 504: 2})
        self.assertEqual((found.requests, found.errors, found.seconds), (8, 4, 2.0))

    def test_wrong_tokens(self) -> None:
        """Wrong tokens are counted and added up; a reset sets their number to zero."""
        stats = ServiceMetrics()
        stats.count_wrong_token()
        stats.count_wrong_token()
        found = stats.snapshot()
        self.assertEqual(
            (found.wrong_tokens, (found + found).wrong_tokens, found.past().wrong_tokens), (2, 4, 2)
        )
        stats.clear()
        self.assertEqual(stats.snapshot().wrong_tokens, 0)

    def test_snapshot_stays(self) -> None:
        """A snapshot does not change with later replies."""
        stats = ServiceMetrics()
        stats.count(200, 1.0)
        before = stats.snapshot()
        stats.count(200, 1.0)
        self.assertEqual(before, snapshot_of(1.0))

    def test_clear(self) -> None:
        """After a reset, earlier replies do not count; earlier snapshots stay the same."""
        stats = ServiceMetrics()
        for code in (200, 500):
            stats.count(code, 1.0)
        before = stats.snapshot()
        stats.clear()
        self.assertEqual((stats.snapshot(), before.requests, before.seconds), (MetricsSnapshot(), 2, 2.0))
        stats.count(200, 0.5)
        self.assertEqual(stats.snapshot(), snapshot_of(0.5))

    def test_json(self) -> None:
        """A snapshot can be encoded and decoded as JSON."""
        found = snapshot_of(0.0, 0.1, 3.0)
        self.assertEqual(msgspec.json.decode(msgspec.json.encode(found), type=MetricsSnapshot), found)

    def test_quantiles(self) -> None:
        """A quantile is the latency that this share of the replies does not exceed."""
        found = snapshot_of(*(number / 100 for number in range(1, 101)))
        for share, seconds in ((0.0, 0.01), (0.5, 0.5), (0.99, 0.99), (1.0, 1.0)):
            self.assertGreaterEqual(found.quantile(share), seconds)
            self.assertLessEqual(found.quantile(share), seconds * 1.125 + MICROSECOND)

    @given(st.lists(times, min_size=1, max_size=50), st.floats(0, 1))
    def test_quantile_is_near(self, seconds: list[float], share: float) -> None:
        """A quantile is never too low, and at most an eighth, or a microsecond, too high."""
        exact = sorted(seconds)[max(math.ceil(share * len(seconds)) - 1, 0)]
        found = snapshot_of(*seconds).quantile(share)
        self.assertGreater(found, exact)
        self.assertLessEqual(found, exact * 1.125 + 2 * MICROSECOND)

    @given(st.lists(times, max_size=20), st.lists(times, max_size=20))
    def test_addition(self, ours: list[float], theirs: list[float]) -> None:
        """The sum of the metrics of two workers is that of one worker with all replies."""
        added = snapshot_of(*ours) + snapshot_of(*theirs, code=500)
        reverse = snapshot_of(*theirs, code=500) + snapshot_of(*ours)
        together = snapshot_of(*ours, *theirs)
        self.assertEqual((added.requests, added.buckets), (together.requests, together.buckets))
        self.assertEqual((added.errors, added.codes.get(500, 0)), (len(theirs), len(theirs)))
        self.assertAlmostEqual(added.seconds, together.seconds)
        self.assertEqual(msgspec.structs.replace(reverse, seconds=added.seconds), added)

    def test_services(self) -> None:
        """The states of clients are added by service."""
        ours = MetricsSnapshot(services={"shop": ClientStats(1, 0, 0, 5, 1), "user": ClientStats(closed=1)})
        theirs = MetricsSnapshot(
            services={"shop": ClientStats(0, 1, 2, 7, 3), "cart": ClientStats(half_open=1)}
        )
        expected = {
            "shop": ClientStats(open=1, half_open=1, closed=2, refused=12, connections=4),
            "user": ClientStats(closed=1),
            "cart": ClientStats(half_open=1),
        }
        self.assertEqual((ours + theirs).services, expected)
        for added in (ours + MetricsSnapshot(), MetricsSnapshot() + ours):
            self.assertEqual(added.services, ours.services)

    def test_past(self) -> None:
        """The past metrics of ended workers contain counters, but no states."""
        asked = ClientStats(open=1, half_open=1, closed=1, refused=7, connections=3)
        found = MetricsSnapshot(requests=2, services={"shop": asked}).past()
        self.assertEqual(found, MetricsSnapshot(requests=2, services={"shop": ClientStats(refused=7)}))
        self.assertEqual(snapshot_of(0.1).past(), snapshot_of(0.1))

    def test_no_client_stats(self) -> None:
        """A report without clients has no field for them; those of others survive JSON."""
        self.assertNotIn(b"services", msgspec.json.encode(snapshot_of(0.1) + MetricsSnapshot()))
        found = MetricsSnapshot(services={"shop": ClientStats(1, 0, 0, 5, 1)})
        self.assertEqual(msgspec.json.decode(msgspec.json.encode(found), type=MetricsSnapshot), found)

    def test_zero(self) -> None:
        """An empty snapshot is the neutral element of the sum."""
        found = snapshot_of(0.1, 2.0)
        self.assertEqual(found + MetricsSnapshot(), found)
        self.assertEqual(sum([found, found], MetricsSnapshot()).requests, 4)
