"""Tests of changes of the number of workers, and of recycling."""

from __future__ import annotations

from tests.unit.orchestrator.pool.pool_harness import PoolTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.model import Recycling
from unixsvc.orchestrator.worker.messages import WorkerReady
from unixsvc.service.spec import StatsReport


class ScaleTests(PoolTestCase):
    """Changes of the number of workers."""

    def setUp(self) -> None:
        """Start the pool."""
        super().setUp()
        self.first, self.second = self.run_pool()

    def test_up(self) -> None:
        """Additional slots get workers at once; the change is done when they are ready."""
        done = self.pool.scale(4)
        self.assertEqual([each.worker_config.slot for each in self.reactor.started], [1, 2, 3, 4])
        self.reactor.started[3].report(WorkerReady())
        self.assertNoResult(done)
        self.reactor.started[2].report(WorkerReady())
        self.successResultOf(done)
        self.live(30)
        self.assertEqual(self.slots_and_generations(), [(slot, 1) for slot in (1, 2, 3, 4)])
        self.assertEqual(self.first.signals + self.second.signals, [])

    def test_down(self) -> None:
        """The highest slots drain at once; the change is done when they accept no connections."""
        done = self.pool.scale(1)
        self.assertEqual((self.first.commands, self.second.commands), ([], ["drain"]))
        self.assertNoResult(done)
        self.close_drained()
        self.successResultOf(done)
        self.assertTrue(self.second.sent_commands[0]["wait_for_idle"])
        self.second.end()
        self.live(10)
        self.assertEqual((len(self.reactor.started), self.phases()), (2, ["ready"]))

    def test_same(self) -> None:
        """The same number is done at once."""
        self.successResultOf(self.pool.scale(2))
        self.assertEqual(len(self.reactor.started), 2)

    def test_fails(self) -> None:
        """If a new worker cannot start, the number is rolled back, and the error says why."""
        done = self.pool.scale(4)
        third, fourth = self.reactor.started[2:]
        third.report(WorkerReady())
        fourth.end(code=3)
        self.assertIn("exited with code 3", str(self.failureResultOf(done, ConfigError).value))
        self.assertEqual(third.commands, ["drain"])
        self.assertIn("exited with code 3", self.pool.stats().problem)
        third.end()
        self.live(10)
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])
        self.assertEqual(self.first.signals + self.second.signals, [])

    def test_death_meanwhile(self) -> None:
        """The death of another worker does not make the change fail."""
        done = self.pool.scale(3)
        self.first.end(by=9)
        self.assertNoResult(done)
        for each in self.reactor.running:
            each.report(WorkerReady())
        self.successResultOf(done)

    def test_down_while_one_is_missing(self) -> None:
        """A smaller number ends no worker before those that stay are ready."""
        self.first.end(by=9)
        done = self.pool.scale(1)
        self.assertNoResult(done)
        self.assertEqual(self.second.commands, [])
        self.last().report(WorkerReady())
        self.assertEqual(self.second.commands, ["drain"])
        self.close_drained()
        self.successResultOf(done)

    def test_restart(self) -> None:
        """A restart keeps the number."""
        self.pool.scale(3)
        self.last().report(WorkerReady())
        known = list(self.reactor.started)
        stopped = self.pool.stopService()
        self.drain(*known)
        self.successResultOf(stopped)
        self.pool.startService()
        self.assertEqual(len(self.started_after(*known)), 3)


class RecyclingTests(PoolTestCase):
    """Workers are recycled, with their successors first."""

    def test_requests(self) -> None:
        """After its number of requests a worker gets a successor, and drains when that is ready."""
        self.make_pool(recycling=Recycling(max_requests=100))
        first, second = self.run_pool()
        first.count(99)
        first.report(StatsReport())
        self.assertEqual(len(self.reactor.started), 2)
        first.count(11)
        first.report(StatsReport())
        self.assertEqual((first.commands, self.phases()), ([], ["ready", "starting", "ready"]))
        self.last().report(WorkerReady())
        self.assertEqual((first.commands, second.commands), (["drain"], []))
        first.end()
        self.live(5)
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])

    def test_memory(self) -> None:
        """A worker is recycled for its resident memory."""
        self.make_pool(recycling=Recycling(max_memory=1000))
        first, _ = self.run_pool()
        first.report(StatsReport(memory=1100))
        self.assertEqual(self.phases(), ["ready", "starting", "ready"])

    def test_age(self) -> None:
        """A worker is recycled for its age, which is checked with each report."""
        self.make_pool(recycling=Recycling(max_age=60))
        self.run_pool()
        self.live(59)
        self.assertEqual(len(self.reactor.started), 2)
        self.live(8.5)
        self.assertGreater(len(self.reactor.started), 2)

    def test_all_at_once(self) -> None:
        """Workers that are due at the same time are recycled one after the other."""
        self.make_pool(wanted=3, recycling=Recycling(max_requests=100))
        workers = self.run_pool()
        for each in workers:
            each.count(110)
            each.report(StatsReport())
        for count in 1, 2, 3:
            self.assertEqual(len(self.started_after(*workers)), count)
            self.last().report(WorkerReady())
            self.assertEqual(sum(each.commands == ["drain"] for each in workers), count)
        self.assertEqual(len(self.started_after(*workers)), 3)

    def test_not_twice(self) -> None:
        """Further reports of the same worker start no further successor."""
        self.make_pool(recycling=Recycling(max_requests=100))
        first, _ = self.run_pool()
        for _ in range(3):
            first.count(110)
            first.report(StatsReport())
        self.assertEqual(len(self.reactor.started), 3)

    def test_no_failure(self) -> None:
        """Frequent recycling is no failure and has no back-off."""
        self.make_pool(wanted=1, recycling=Recycling(max_requests=100))
        self.run_pool()
        for count in range(2, 9):
            old = self.last()
            old.count(110)
            old.report(StatsReport())
            self.assertEqual(len(self.reactor.started), count)
            self.last().report(WorkerReady())
            self.drain(old)
        self.assertEqual((self.pool.stats().problem, self.failures), ("", []))

    def test_successor_dies(self) -> None:
        """While no successor gets ready, the old worker serves, and starts have a back-off."""
        self.make_pool(recycling=Recycling(max_requests=100))
        first, _ = self.run_pool()
        first.count(110)
        first.report(StatsReport())
        self.last().end(code=1)
        self.last().end(code=1)
        self.assertEqual(len(self.reactor.started), 4)
        self.reactor.advance(0.625)
        self.assertEqual(len(self.reactor.started), 5)
        for _ in range(4):
            self.last().end(code=1)
            self.live(5)
        self.assertEqual((set(first.commands), first.signals), ({"stats"}, []))
        self.assertEqual((self.pool.stats().state, self.failures), ("", []))
