"""Tests of reloads that are rolled back or replaced."""

from __future__ import annotations

import errno

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from tests.unit.orchestrator.pool.pool_harness import POLICY, generation_of
from tests.unit.orchestrator.pool.test_pool_reload import ReloadTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import WorkerFailed, WorkerReady


class RollbackTests(ReloadTestCase):
    """A new worker cannot start: the old ones stay."""

    def assert_rolled_back(self, done: Deferred[None], why: str) -> None:
        """The reload has failed for a reason; the old workers serve and nothing is started."""
        error = str(self.failureResultOf(done, ConfigError).value)
        for words in "services.home", "the old ones stay", why:
            self.assertIn(words, error)
        self.assertEqual((self.first.signals, self.second.signals), ([], []))
        self.assertNotIn("drain", self.first.commands + self.second.commands)
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])
        self.assertIn(why, self.pool.stats().problem)
        self.assertEqual((self.pool.stats().state, self.failures), ("", []))
        self.live(60)
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])

    def test_says_why(self) -> None:
        """The reason that a new worker reports is the reason of the failure."""
        done = self.pool.reload(self.spec(2))
        self.fresh().report(WorkerFailed("there is no module 'shop'"))
        self.assertNoResult(done)
        self.last().end(code=3)
        self.assert_rolled_back(done, "there is no module 'shop'")

    def test_dies(self) -> None:
        """The exit status is the reason if a new worker dies before it is ready."""
        done = self.pool.reload(self.spec(2))
        self.fresh().end(by=11)
        self.assert_rolled_back(done, "signal 11")

    def test_hangs(self) -> None:
        """A new worker that is not ready within the boot timeout is killed; that is the reason."""
        done = self.pool.reload(self.spec(2))
        new = self.fresh()
        self.live(POLICY.boot_timeout)
        self.assertEqual(new.signals, ["KILL"])
        self.assertNoResult(done)
        new.end(by=9)
        self.assert_rolled_back(done, "not ready within 10 s")

    def test_cannot_be_started(self) -> None:
        """The reload fails if the kernel refuses a new process."""
        self.reactor.refuse = OSError(errno.ENOENT, "No such file or directory")
        done = self.pool.reload(self.spec(2))
        self.reactor.advance(0)
        self.reactor.refuse = None
        self.assert_rolled_back(done, "No such file or directory")

    def test_lack_of_resources(self) -> None:
        """While the kernel lacks the resources for a new process the reload waits."""
        self.reactor.refuse = OSError(errno.ENOMEM, "Cannot allocate memory")
        done = self.pool.reload(self.spec(2))
        self.live(3)
        self.assertNoResult(done)
        self.assertIn("Cannot allocate memory", self.pool.stats().problem)
        self.reactor.refuse = None
        self.live(1)
        self.assertEqual(generation_of(self.last()), 2)

    def test_longer_watchdog(self) -> None:
        """After the roll-back the heartbeat is as fast as the old workers need it."""
        self.make_pool(policy=replace(POLICY, watchdog=0.75))
        self.first, self.second = self.run_pool()
        done = self.pool.reload(self.spec(2, policy=replace(POLICY, watchdog=100)))
        self.fresh().end(by=11)
        self.assert_rolled_back(done, "signal 11")

    def test_other_number(self) -> None:
        """The number of workers is rolled back as well."""
        done = self.pool.reload(self.spec(2, 3))
        for each in self.started_after(self.first, self.second):
            each.end(by=11)
        self.assert_rolled_back(done, "signal 11")

    def test_dies_early(self) -> None:
        """A new worker that dies soon after it was ready makes the reload fail; its slot is rolled back."""
        done = self.pool.reload(self.spec(2))
        new = self.fresh()
        new.report(WorkerReady())
        self.drain(self.first)
        new.end(by=11)
        self.assertIn("signal 11", str(self.failureResultOf(done, ConfigError).value))
        self.assertEqual(self.second.commands, [])
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])

    def test_dies_later(self) -> None:
        """A new worker that dies after it was stable does not make the reload fail."""
        done = self.pool.reload(self.spec(2))
        new = self.fresh()
        new.report(WorkerReady())
        self.live(2)
        new.end(by=9)
        self.assertNoResult(done)
        for each in self.reactor.running:
            each.report(WorkerReady())
        self.close_drained()
        self.successResultOf(done)

    def test_second_slot(self) -> None:
        """If the worker of a later slot cannot start, new workers that are ready stay."""
        done = self.pool.reload(self.spec(2))
        new = self.fresh()
        new.report(WorkerReady())
        self.drain(self.first)
        self.fresh().end(by=11)
        self.failureResultOf(done, ConfigError)
        self.live(60)
        self.assertEqual(self.slots_and_generations(), [(1, 2), (2, 1)])
        self.assertEqual((new.signals, self.second.signals), ([], []))

    def test_death_of_an_old_one(self) -> None:
        """After the roll-back, a worker that dies is replaced by one of the old spec."""
        done = self.pool.reload(self.spec(2))
        self.fresh().end(by=11)
        self.failureResultOf(done, ConfigError)
        self.live(5)
        self.first.end(by=9)
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])
        self.last().report(WorkerReady())
        self.assertEqual(self.phases(), ["ready", "ready"])

    def test_next_reload(self) -> None:
        """The next reload can succeed, and removes the problem from the status."""
        self.pool.reload(self.spec(2)).addErrback(lambda failure: None)
        self.fresh().end(by=11)
        done = self.pool.reload(self.spec(3))
        for _ in range(2):
            self.fresh().report(WorkerReady())
        self.close_drained()
        self.successResultOf(done)
        self.assertEqual(self.slots_and_generations(), [(1, 3), (2, 3)])
        self.assertEqual(self.pool.stats().problem, "")


class InterruptedTests(ReloadTestCase):
    """Another operation interrupts a reload."""

    def test_second_reload(self) -> None:
        """A second reload replaces the first one, whose workers are ended."""
        first = self.pool.reload(self.spec(2))
        started = self.fresh()
        second = self.pool.reload(self.spec(3))
        self.reactor.advance(0)
        self.assertIn("another change", str(self.failureResultOf(first, ConfigError).value))
        self.assertEqual((started.signals, generation_of(self.fresh())), (["TERM"], 3))
        started.end(by=15)
        for _ in range(2):
            self.fresh().report(WorkerReady())
        self.close_drained()
        self.successResultOf(second)
        self.assertEqual(self.slots_and_generations(), [(1, 3), (2, 3)])

    def test_second_reload_fails(self) -> None:
        """If the second reload fails as well, the workers from before both stay."""
        self.pool.reload(self.spec(2, 3)).addErrback(lambda failure: None)
        done = self.pool.reload(self.spec(3))
        self.reactor.advance(0)
        for each in self.started_after(self.first, self.second):
            each.end(by=15 if generation_of(each) == 2 else 11)
        self.failureResultOf(done, ConfigError)
        self.live(5)
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])
        self.assertEqual(self.first.signals + self.second.signals, [])

    def test_stop(self) -> None:
        """A stop ends old and new workers, and makes the reload fail."""
        done = self.pool.reload(self.spec(2))
        new = self.fresh()
        stopped = self.pool.stopService()
        self.assertIn("stopped", str(self.failureResultOf(done, ConfigError).value))
        self.assertEqual(
            (self.first.commands, self.second.commands, new.signals), (["drain"], ["drain"], ["TERM"])
        )
        for each in self.first, self.second, new:
            each.end()
        self.successResultOf(stopped)
        self.assertEqual(len(self.reactor.started), 3)

    def test_stop_and_start(self) -> None:
        """After a stop during a reload, the pool starts with the old spec."""
        self.pool.reload(self.spec(2, 3)).addErrback(lambda failure: None)
        stopped = self.pool.stopService()
        for each in self.reactor.running:
            each.end()
        self.successResultOf(stopped)
        self.pool.startService()
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])

    def test_cancelled_waiter(self) -> None:
        """Cancelling the Deferred of a reload does not cancel the reload."""
        done = self.pool.reload(self.spec(2))
        done.cancel()
        self.failureResultOf(done)
        for _ in range(2):
            self.fresh().report(WorkerReady())
        self.assertEqual(self.slots_and_generations(), [(1, 2), (2, 2)])

    def test_set_spec(self) -> None:
        """A spec that is only set is used at the next start."""
        stopped = self.pool.stopService()
        self.drain(self.first, self.second)
        self.successResultOf(stopped)
        self.pool.set_spec(self.spec(2, 3))
        self.assertEqual(len(self.reactor.started), 2)
        self.pool.startService()
        self.assertEqual(self.slots_and_generations(), [(1, 2), (2, 2), (3, 2)])
