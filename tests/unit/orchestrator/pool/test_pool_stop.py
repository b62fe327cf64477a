"""Tests of stops, restarts and aborts."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from tests.unit.orchestrator.pool.fake_processes import FakeProcess
from tests.unit.orchestrator.pool.pool_harness import POLICY, PoolTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import WorkerReady


class StopTests(PoolTestCase):
    """Stops."""

    def test_drains(self) -> None:
        """Each worker is drained; the stop is done when the last one has ended, with no call left."""
        first, second = self.run_pool()
        stopped = self.pool.stopService()
        self.assertEqual((first.commands, second.commands), (["drain"], ["drain"]))
        self.assertEqual(self.pool.stats().state, "stopping")
        first.end()
        self.assertNoResult(stopped)
        second.end()
        self.successResultOf(stopped)
        self.assertEqual(self.pool.stats().state, "stopped")
        self.reactor.advance(1)  # past the wait for a dead worker's last words
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(len(self.reactor.started), 2)

    def test_listener_closed(self) -> None:
        """The listener is closed, and idle clients are not waited for."""
        first, _ = self.run_pool()
        self.pool.stopService()
        self.assertEqual(self.listener.done, ["open", "close"])
        self.assertFalse(first.sent_commands[0]["wait_for_idle"])

    def test_not_ready_yet(self) -> None:
        """A starting worker is terminated; callers that wait for the start get an error."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.pool.stopService()
        self.assertEqual([each.signals for each in self.reactor.started], [["TERM"], ["TERM"]])
        self.assertIn("stopped", str(self.failureResultOf(when_ready, ConfigError).value))

    def test_stubborn(self) -> None:
        """A worker that does not drain gets TERM, then KILL."""
        first, _ = self.run_pool()
        self.pool.stopService()
        self.live(POLICY.drain_timeout - 0.125)
        self.assertEqual(first.signals, [])
        self.live(0.125)
        self.assertEqual(first.signals, ["TERM"])
        self.live(POLICY.kill_timeout - 0.125)
        self.assertEqual(first.signals, ["TERM"])
        self.live(60)
        self.assertEqual(first.signals, ["TERM", "KILL"])

    def test_without_workers(self) -> None:
        """During a back-off without workers, the stop is done at once."""
        first, second = self.run_pool()
        for each in first, second:
            each.end(code=1)
            self.reactor.started[-1].end(code=1)
        self.assertEqual(self.phases(), [])
        self.successResultOf(self.pool.stopService())

    def test_not_started(self) -> None:
        """A listener that was only bound is closed."""
        self.pool.bind()
        self.successResultOf(self.pool.stopService())
        self.assertEqual(self.listener.done, ["open", "close"])

    def test_twice(self) -> None:
        """Stopping twice is stopping once, and both callers wait for it."""
        first, second = self.run_pool()
        both = [self.pool.stopService(), self.pool.stopService()]
        self.assertEqual(first.commands, ["drain"])
        self.drain(first, second)
        for each in both:
            self.successResultOf(each)

    def test_dies_meanwhile(self) -> None:
        """A worker that dies while it drains is not replaced, and has not failed."""
        first, second = self.run_pool()
        stopped = self.pool.stopService()
        first.end(by=11)
        second.end(code=3)
        self.successResultOf(stopped)
        self.assertEqual((len(self.reactor.started), self.failures), (2, []))

    def test_silent(self) -> None:
        """A draining worker has no watchdog."""
        first, second = self.run_pool()
        self.pool.stopService()
        self.live(POLICY.watchdog * 2, silent=[first, second])
        self.assertEqual(first.signals, [])

    def test_start_again(self) -> None:
        """After a stop the pool can be started, and opens the listener."""
        workers = self.run_pool()
        self.pool.stopService()
        self.drain(*workers)
        self.pool.startService()
        when_ready = self.pool.when_ready()
        for each in self.started_after(*workers):
            each.report(WorkerReady())
        self.successResultOf(when_ready)
        self.assertEqual((self.pool.stats().state, self.listener.done), ("", ["open", "close", "open"]))
        self.live(5)
        self.assertIn("stats", self.last().commands)


class DrainDelayTests(PoolTestCase):
    """Stops of workers that accept connections for 3 s more."""

    def run_delayed(self) -> list[FakeProcess]:
        """Run a pool with a delay."""
        self.make_pool(policy=replace(POLICY, drain_delay=3))
        return self.run_pool()

    def test_open(self) -> None:
        """The workers drain at once, and the listener stays open for the delay."""
        first, second = self.run_delayed()
        stopped = self.pool.stopService()
        self.assertEqual((first.commands, self.listener.done), (["drain"], ["open"]))
        self.live(2.875)
        self.assertEqual(self.listener.done, ["open"])
        self.live(0.125)
        self.assertEqual(self.listener.done, ["open", "close"])
        self.drain(first, second)
        self.successResultOf(stopped)
        self.assertEqual(self.listener.done, ["open", "close"])

    def test_ended(self) -> None:
        """When all workers have ended before, it is closed at once, and no call is left."""
        first, second = self.run_delayed()
        stopped = self.pool.stopService()
        self.drain(first, second)
        self.successResultOf(stopped)
        self.assertEqual(self.listener.done, ["open", "close"])
        self.reactor.advance(1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancelled(self) -> None:
        """A caller that does not wait for the end does not shorten the delay."""
        self.run_delayed()
        self.pool.stopService().addErrback(lambda failure: None).cancel()
        self.live(2.875)
        self.assertEqual(self.listener.done, ["open"])
        self.live(0.125)
        self.assertEqual(self.listener.done, ["open", "close"])

    def test_abort(self) -> None:
        """An abort does not wait."""
        first, second = self.run_delayed()
        self.pool.stopService()
        self.pool.abort()
        self.assertEqual((first.signals, second.signals), (["KILL"], ["KILL"]))
        for each in first, second:
            each.end(by=9)
        self.assertEqual(self.listener.done, ["open", "close"])

    def test_not_started(self) -> None:
        """A pool without workers closes its listener at once."""
        self.make_pool(policy=replace(POLICY, drain_delay=3))
        self.pool.bind()
        self.successResultOf(self.pool.stopService())
        self.assertEqual(self.listener.done, ["open", "close"])


class RestartTests(PoolTestCase):
    """Restarts."""

    def test_all_new(self) -> None:
        """New workers are started when all old ones have ended; the restart is done when they are ready."""
        workers = self.run_pool()
        restarted = Deferred.fromCoroutine(self.pool.restart())
        self.assertEqual([each.commands for each in workers], [["drain"]] * 2)
        workers[0].end()
        self.assertEqual(len(self.reactor.started), 2)
        workers[1].end()
        self.assertEqual(len(self.reactor.started), 4)
        self.assertNoResult(restarted)
        for each in self.started_after(*workers):
            each.report(WorkerReady())
        self.successResultOf(restarted)

    def test_listener_stays_open(self) -> None:
        """The listener stays open during a restart."""
        workers = self.run_pool()
        Deferred.fromCoroutine(self.pool.restart())
        self.drain(*workers)
        self.assertEqual(self.listener.done, ["open"])

    def test_cannot_start(self) -> None:
        """If the new workers cannot start, the state is "failed", and the listener is closed."""
        workers = self.run_pool()
        restarted = Deferred.fromCoroutine(self.pool.restart())
        self.drain(*workers)
        self.last().end(code=3)
        self.assertIn("exited with code 3", str(self.failureResultOf(restarted, ConfigError).value))
        self.assertEqual((self.pool.stats().state, self.listener.is_open), ("failed", False))

    def test_stopped_meanwhile(self) -> None:
        """A stop during a restart wins."""
        workers = self.run_pool()
        restarted = Deferred.fromCoroutine(self.pool.restart())
        stopped = self.pool.stopService()
        self.drain(*workers)
        self.successResultOf(restarted)
        self.successResultOf(stopped)
        self.assertEqual((len(self.reactor.started), self.listener.is_open), (2, False))

    def test_listener_cannot_open(self) -> None:
        """If the listener cannot be opened, the error says so, and the start can be repeated."""
        workers = self.run_pool()
        self.pool.stopService()
        self.drain(*workers)
        self.listener.problem = "is in the way"
        self.assertIn("is in the way", str(self.assertRaises(ConfigError, self.pool.startService)))
        self.assertEqual(len(self.reactor.running), 0)
        self.assertIn("is in the way", self.pool.stats().problem)
        self.listener.problem = ""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        for each in self.reactor.running:
            each.report(WorkerReady())
        self.successResultOf(when_ready)
        self.assertEqual((self.pool.stats().state, self.pool.stats().problem), ("", ""))


class AbortTests(PoolTestCase):
    """Aborts."""

    def test_while_it_stops(self) -> None:
        """An abort during a stop kills all workers; the stop is done when they have ended."""
        first, second = self.run_pool()
        stopped = self.pool.stopService()
        self.pool.abort()
        self.assertEqual((first.signals, second.signals), (["KILL"], ["KILL"]))
        for each in first, second:
            each.end(by=9)
        self.successResultOf(stopped)
        self.assertEqual((len(self.reactor.started), self.failures), (2, []))

    def test_while_it_runs(self) -> None:
        """An abort of a running pool kills all workers and starts none."""
        for each in self.run_pool():
            self.pool.abort()
            self.assertEqual(each.signals[:1], ["KILL"])
        for each in list(self.reactor.started):
            each.end(by=9)
        self.reactor.advance(60)
        self.assertEqual(len(self.reactor.started), 2)

    def test_while_it_starts(self) -> None:
        """An abort kills starting workers as well."""
        self.pool.startService()
        self.pool.stopService()
        self.pool.abort()
        self.assertEqual([each.signals for each in self.reactor.started], [["TERM", "KILL"]] * 2)
