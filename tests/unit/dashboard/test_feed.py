"""When snapshots are made, and what is in them."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.dashboard.page_requests import FakeOrchestrator, figures, worker
from unixsvc.dashboard.feed import Feed
from unixsvc.dashboard.snapshot import Moment, make_snapshot
from unixsvc.domain.latency_buckets import bucket_bounds


class FeedTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a feed with one listener."""
        self.clock, self.orchestrator = Clock(), FakeOrchestrator()
        self.feed = Feed(self.clock, self.orchestrator.figures, lambda: 1000.0)
        self.got: list[bytes] = []

    def test_hurry(self) -> None:
        """What happens is on the page soon, once for all that happens together; then each second again."""
        self.feed.add(self.got.append)
        self.clock.advance(0)
        self.feed.hurry()
        self.feed.hurry()
        self.clock.advance(0.05)
        self.assertEqual(len(self.got), 2)
        self.clock.advance(0.5)
        self.assertEqual(len(self.got), 2)
        self.clock.advance(0.5)
        self.assertEqual(len(self.got), 3)

    def test_hurry_during_a_snapshot(self) -> None:
        """What happens while a snapshot is being made is in the next one, which comes soon."""
        self.orchestrator.pending = Deferred()
        self.feed.add(self.got.append)
        self.clock.advance(0)
        self.feed.hurry()
        pending, self.orchestrator.pending = self.orchestrator.pending, None
        pending.callback(self.orchestrator.figures_now)
        self.assertEqual(len(self.got), 1)
        self.clock.advance(0.05)
        self.assertEqual(len(self.got), 2)

    def test_hurry_without_page(self) -> None:
        """Without a page, nothing is made whatever happens."""
        self.feed.hurry()
        self.clock.advance(5)
        self.assertEqual(self.orchestrator.asked, 0)

    def test_failure(self) -> None:
        """If there are no figures, the next attempt comes a second later."""
        self.orchestrator.pending = Deferred()
        self.feed.add(self.got.append)
        self.clock.advance(0)
        pending, self.orchestrator.pending = self.orchestrator.pending, None
        pending.errback(OSError("no file descriptor is left"))
        self.clock.advance(1)
        self.assertEqual(len(self.got), 1)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_left_meanwhile(self) -> None:
        """A page that is closed while a snapshot is being made gets none, and no further one is made."""
        self.orchestrator.pending = Deferred()
        self.feed.add(self.got.append)
        self.clock.advance(0)
        self.feed.remove(self.got.append)
        self.orchestrator.pending.callback(self.orchestrator.figures_now)
        self.assertEqual((self.got, self.clock.getDelayedCalls()), ([], []))


class SnapshotTests(SynchronousTestCase):
    def test_rates(self) -> None:
        """Rates and quantiles are of the time since the snapshot before."""
        old = Moment(10.0, {"home": figures({200: 100}, 100)})
        new = figures({200: 100}, 100)
        more = figures({200: 6, 503: 2}, 200, calls=8)
        new = figures({}, workers=[worker(cpu=2.0)], metrics=new.metrics + more.metrics)
        found = make_snapshot(1000.0, Moment(12.0, {"home": new}), old).services["home"]
        middle = sum(bucket_bounds(200)) / 2
        route = found.routes["GET /"]
        self.assertEqual((route.requests, route.errors, route.codes), (108, 2, {200: 106, 503: 2}))
        self.assertEqual((route.rate, route.error_rate), (4.0, 1.0))
        self.assertEqual((route.p50, route.p90, route.p99), (middle, middle, middle))
        self.assertEqual(found.total, route)
        self.assertEqual(found.calls["other"].rate, 4.0)
        self.assertEqual(found.calls["other"].p99, found.total.p99)
        self.assertEqual(found.workers[0].cpu, 0.5)

    def test_first(self) -> None:
        """The first snapshot has no rates."""
        found = make_snapshot(1000.0, Moment(12.0, {"home": figures({200: 3})}), None)
        self.assertIsNone(found.seconds)
        total = found.services["home"].total
        self.assertEqual((total.requests, total.rate, total.p99), (3, None, None))

    def test_nothing_new(self) -> None:
        """Without replies since, the rate is 0 and there is no latency."""
        moment = Moment(10.0, {"home": figures({200: 3})})
        total = make_snapshot(1000.0, Moment(11.0, moment.figures), moment).services["home"].total
        self.assertEqual((total.rate, total.p50), (0.0, None))

    def test_new_worker(self) -> None:
        """A worker that was not there before has no CPU share yet, and one that has ended has no memory."""
        old = Moment(10.0, {"home": figures({}, workers=[worker(1, 7)])})
        new = figures({}, workers=[worker(1, 8), worker(2, None)])
        rows = make_snapshot(1000.0, Moment(11.0, {"home": new}), old).services["home"].workers
        self.assertEqual(
            [(each.pid, each.cpu, each.resident) for each in rows], [(8, None, 1000), (None, None, None)]
        )
