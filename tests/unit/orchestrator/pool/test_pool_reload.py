"""Tests of rolling reloads that succeed."""

from __future__ import annotations

from msgspec.structs import replace

from tests.unit.orchestrator.pool.fake_processes import FakeProcess
from tests.unit.orchestrator.pool.pool_harness import POLICY, PoolTestCase, generation_of
from unixsvc.orchestrator.worker.messages import WorkerDraining, WorkerReady


class ReloadTestCase(PoolTestCase):
    """A test with a running pool of spec 1."""

    def setUp(self) -> None:
        """Start the pool."""
        super().setUp()
        self.first, self.second = self.run_pool()

    def fresh(self) -> FakeProcess:
        """The only process that is neither ready nor asked to exit: the one that was started last."""
        self.assertEqual(self.phases().count("starting"), 1)
        return self.last()


class ReloadTests(ReloadTestCase):
    """Rolling reloads."""

    def test_one_at_a_time(self) -> None:
        """Each new worker is ready before the old one of its slot drains, and before the next is started."""
        done = self.pool.reload(self.spec(2))
        new_first = self.fresh()
        self.assertEqual((new_first.worker_config.slot, generation_of(new_first)), (1, 2))
        self.assertEqual((self.first.commands, self.second.commands, len(self.reactor.started)), ([], [], 3))
        new_first.report(WorkerReady())
        new_second = self.fresh()
        self.assertEqual((new_second.worker_config.slot, generation_of(new_second)), (2, 2))
        self.assertEqual((self.first.commands, self.second.commands), (["drain"], []))
        self.assertNoResult(done)
        new_second.report(WorkerReady())
        self.assertEqual(self.second.commands, ["drain"])
        self.close_drained()
        self.successResultOf(done)

    def test_done_when_old_ones_are_closed(self) -> None:
        """The reload is done when clients can only connect to new workers."""
        done = self.pool.reload(self.spec(2))
        for _ in range(2):
            self.fresh().report(WorkerReady())
        self.second.report(WorkerDraining())
        self.assertNoResult(done)
        self.first.report(WorkerDraining())
        self.successResultOf(done)

    def test_old_one_ends_without_report(self) -> None:
        """The exit of an old worker, or TERM after its drain timeout, counts as closed."""
        done = self.pool.reload(self.spec(2))
        for _ in range(2):
            self.fresh().report(WorkerReady())
        self.first.end()
        self.live(POLICY.drain_timeout - 1)
        self.assertNoResult(done)
        self.live(1)
        self.assertEqual(self.second.signals, ["TERM"])
        self.successResultOf(done)

    def test_draining_is_not_waited_for(self) -> None:
        """The reload does not wait for old workers to exit."""
        done = self.pool.reload(self.spec(2))
        for _ in range(2):
            self.fresh().report(WorkerReady())
        self.close_drained()
        self.successResultOf(done)
        self.assertEqual(sorted(self.phases()), ["draining", "draining", "ready", "ready"])
        self.assertTrue(self.first.sent_commands[-1]["wait_for_idle"])

    def test_afterwards(self) -> None:
        """After the reload, a worker that dies is replaced by one of the new spec."""
        self.pool.reload(self.spec(2))
        for _ in range(2):
            self.fresh().report(WorkerReady())
        self.drain(self.first, self.second)
        self.live(5)
        self.assertEqual(self.slots_and_generations(), [(1, 2), (2, 2)])
        self.last().end(by=9)
        self.assertEqual(self.slots_and_generations(), [(1, 2), (2, 2)])
        self.assertEqual({each.generation for each in self.pool.stats().workers}, {2})

    def test_listener_stays_open(self) -> None:
        """The listener stays open during the reload."""
        self.pool.reload(self.spec(2))
        self.fresh().report(WorkerReady())
        self.assertEqual(self.listener.done, ["open"])

    def test_dead_meanwhile(self) -> None:
        """An old worker that dies during the reload is replaced by one of the new spec at once."""
        done = self.pool.reload(self.spec(2))
        self.second.end(by=9)
        self.assertEqual(self.slots_and_generations(), [(1, 1), (1, 2), (2, 2)])
        for each in self.started_after(self.first, self.second):
            each.report(WorkerReady())
        self.close_drained()
        self.successResultOf(done)

    def test_other_number(self) -> None:
        """If the number of workers changes, there are never fewer than before or after."""
        for wanted in 3, 1:
            self.setUp()
            done = self.pool.reload(self.spec(2, wanted))
            for _ in range(wanted + 1):
                self.assertGreaterEqual(self.phases().count("ready"), min(wanted, 2))
                for each in self.started_after(self.first, self.second):
                    each.report(WorkerReady())
            self.assertNotIn("starting", self.phases())
            self.close_drained()
            self.successResultOf(done)
            self.assertEqual(self.slots_and_generations(), [(slot + 1, 2) for slot in range(wanted)])

    def test_fresh_start(self) -> None:
        """The history of old workers does not delay new ones."""
        for _ in range(4):
            self.reactor.running[0].end(code=1)
        self.pool.reload(self.spec(2))
        slots = {each.worker_config.slot for each in self.reactor.running if generation_of(each) == 2}
        self.assertIn(1, slots | {each.worker_config.slot for each in self.reactor.running})

    def test_own_policy(self) -> None:
        """New workers have the new timeouts, old workers keep theirs."""
        self.pool.reload(self.spec(2, policy=replace(POLICY, drain_timeout=1)))
        self.fresh().report(WorkerReady())
        self.live(5)
        self.assertEqual(self.first.signals, [])

    def test_longer_watchdog(self) -> None:
        """The heartbeat is fast enough for the shorter of the old and the new watchdog time."""
        self.make_pool(policy=replace(POLICY, watchdog=0.75))
        self.first, self.second = self.run_pool()
        self.pool.reload(self.spec(2, policy=replace(POLICY, watchdog=10)))
        self.live(5)
        self.assertEqual((self.first.signals, self.second.signals), ([], []))
