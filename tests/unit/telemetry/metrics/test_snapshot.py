"""Metrics at one moment, and their sums."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.counted import counted, replies
from unixsvc.telemetry.metrics.snapshot import (
    ClientStats,
    MetricsSnapshot,
    SeriesCounts,
    TaskStats,
    Totals,
)

_times = st.lists(st.floats(0, 100), max_size=20)


class SumTests(SynchronousTestCase):
    """The metrics of several workers are added."""

    @given(_times, _times)
    def test_addition(self, ours: list[float], theirs: list[float]) -> None:
        """The sum of two workers is that of one worker with all replies."""
        added = (counted(*ours) + counted(*theirs, code=500)).all
        together = counted(*ours, *theirs).all
        self.assertEqual((added.requests, added.buckets), (together.requests, together.buckets))
        self.assertEqual((added.errors, added.codes.get(500, 0)), (len(theirs), len(theirs)))
        self.assertAlmostEqual(added.seconds, together.seconds)

    def test_zero(self) -> None:
        """An empty snapshot is the neutral element of the sum."""
        found = counted(0.1, 2.0)
        self.assertEqual((found + MetricsSnapshot(), MetricsSnapshot() + found), (found, found))
        self.assertEqual(sum([found, found], MetricsSnapshot()).all.requests, 4)

    def test_views(self) -> None:
        """The replies can be added up by route and by caller."""
        one, two = SeriesCounts({200: 1}, {5: 1}), SeriesCounts({500: 2}, {5: 1, 9: 1})
        found = MetricsSnapshot({"GET /": {"shop": one, "": two}, "": {"": one}})
        self.assertEqual(found.by_route(), {"GET /": SeriesCounts({200: 1, 500: 2}, {5: 2, 9: 1}), "": one})
        self.assertEqual(found.by_caller(), {"shop": one, "": SeriesCounts({500: 2, 200: 1}, {5: 2, 9: 1})})
        self.assertEqual((found.all.requests, found.all.errors), (4, 2))

    def test_seconds(self) -> None:
        """The sum of the latencies is at most 3.2 % off."""
        found = counted(0.001, 0.02, 0.3).all.seconds
        self.assertApproximates(found, 0.321, 0.321 * 0.032)

    def test_totals(self) -> None:
        """Totals are added."""
        found = replies(0, wrong_tokens=2)
        self.assertEqual((found + found).totals, Totals(wrong_tokens=4))

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
        tasks = {"mail": TaskStats(running=1, done=2)}
        found = msgspec.structs.replace(replies(2), services={"shop": asked}, tasks=tasks).past()
        self.assertEqual(found.services, {"shop": ClientStats(refused=7)})
        self.assertEqual(found.tasks, {"mail": TaskStats(done=2)})
        self.assertEqual(found.all, replies(2).all)

    def test_json(self) -> None:
        """A snapshot can be encoded and decoded as JSON."""
        found = counted(0.0, 0.1, 3.0)
        self.assertEqual(msgspec.json.decode(msgspec.json.encode(found), type=MetricsSnapshot), found)
