"""A reload that comes to nothing, or to something else."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from tests.unit.orchestrator.pool.pool_harness import POLICY, generation_of
from tests.unit.orchestrator.pool.test_pool_reload import ReloadTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import WorkerFailed, WorkerReady


class GivenUpTests(ReloadTestCase):
    """A new worker cannot start: the old ones stay, as if nothing had been asked."""

    def assert_given_up(self, done: Deferred[None], why: str) -> None:
        """It has failed for that reason; the old ones serve as before, and nothing starts."""
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
        """A new worker that says why it cannot start is believed."""
        done = self.pool.reload(self.spec(2))
        self.fresh().report(WorkerFailed("there is no module 'shop'"))
        self.assertNoResult(done)
        self.last().end(code=3)
        self.assert_given_up(done, "there is no module 'shop'")

    def test_dies(self) -> None:
        """One that dies before it is ready is described by its end."""
        done = self.pool.reload(self.spec(2))
        self.fresh().end(by=11)
        self.assert_given_up(done, "signal 11")

    def test_hangs(self) -> None:
        """One that is not ready in time is killed."""
        done = self.pool.reload(self.spec(2))
        new = self.fresh()
        self.live(POLICY.boot_timeout)
        self.assertEqual(new.signals, ["KILL"])
        self.assertNoResult(done)
        new.end(by=9)
        self.assert_given_up(done, "not ready within 10 s")

    def test_cannot_be_started(self) -> None:
        """So is one for which there is no room."""
        self.reactor.refuse = OSError(12, "Cannot allocate memory")
        done = self.pool.reload(self.spec(2))
        self.reactor.advance(0)
        self.reactor.refuse = None
        self.assert_given_up(done, "Cannot allocate memory")

    def test_longer_watchdog(self) -> None:
        """The old ones are asked for signs of life as often as before, too."""
        self.make_pool(policy=replace(POLICY, watchdog=0.75))
        self.first, self.second = self.run_pool()
        done = self.pool.reload(self.spec(2, policy=replace(POLICY, watchdog=100)))
        self.fresh().end(by=11)
        self.assert_given_up(done, "signal 11")

    def test_other_number(self) -> None:
        """More workers that were asked for with it are not there either."""
        done = self.pool.reload(self.spec(2, 3))
        for each in self.started_after(self.first, self.second):
            each.end(by=11)
        self.assert_given_up(done, "signal 11")

    def test_dies_early(self) -> None:
        """One that dies soon after it was ready, before all are, is as bad; its slot goes back."""
        done = self.pool.reload(self.spec(2))
        new = self.fresh()
        new.report(WorkerReady())
        self.drain(self.first)
        new.end(by=11)
        self.assertIn("signal 11", str(self.failureResultOf(done, ConfigError).value))
        self.assertEqual(self.second.commands, [])
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])

    def test_dies_later(self) -> None:
        """One that was ready for long before it died has shown that it can stay: the reload goes on."""
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
        """When a later slot's worker cannot start, those that are ready stay: their old ones are gone."""
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
        """Afterwards a worker that dies is replaced in the old version."""
        done = self.pool.reload(self.spec(2))
        self.fresh().end(by=11)
        self.failureResultOf(done, ConfigError)
        self.live(5)
        self.first.end(by=9)
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])
        self.last().report(WorkerReady())
        self.assertEqual(self.phases(), ["ready", "ready"])

    def test_next_reload(self) -> None:
        """The next one begins afresh, and makes the problem go away."""
        self.pool.reload(self.spec(2)).addErrback(lambda failure: None)
        self.fresh().end(by=11)
        done = self.pool.reload(self.spec(3))
        for _ in range(2):
            self.fresh().report(WorkerReady())
        self.close_drained()
        self.successResultOf(done)
        self.assertEqual(self.slots_and_generations(), [(1, 3), (2, 3)])
        self.assertEqual(self.pool.stats().problem, "")


class InBetweenTests(ReloadTestCase):
    """Something else is asked for before it is done."""

    def test_second_reload(self) -> None:
        """The first one is given up for the second; what it has started is ended, and nobody waits for it."""
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
        """When the second one fails, too, what there was before both stays."""
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
        """To stop ends all, old and new; who waits for the reload is told."""
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
        """What was not done by then is not done: it starts as what it was."""
        self.pool.reload(self.spec(2, 3)).addErrback(lambda failure: None)
        stopped = self.pool.stopService()
        for each in self.reactor.running:
            each.end()
        self.successResultOf(stopped)
        self.pool.startService()
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])

    def test_nobody_waits(self) -> None:
        """Who does not wait any more does not keep it from being done."""
        done = self.pool.reload(self.spec(2))
        done.cancel()
        self.failureResultOf(done)
        for _ in range(2):
            self.fresh().report(WorkerReady())
        self.assertEqual(self.slots_and_generations(), [(1, 2), (2, 2)])

    def test_set_version(self) -> None:
        """A version that is only set is that of the next start."""
        stopped = self.pool.stopService()
        self.drain(self.first, self.second)
        self.successResultOf(stopped)
        self.pool.set_spec(self.spec(2, 3))
        self.assertEqual(len(self.reactor.started), 2)
        self.pool.startService()
        self.assertEqual(self.slots_and_generations(), [(1, 2), (2, 2), (3, 2)])
