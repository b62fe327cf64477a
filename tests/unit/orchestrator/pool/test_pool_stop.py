"""All workers end, for good or to be replaced."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.unit.orchestrator.pool.pool_harness import POLICY, PoolTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import WorkerReady


class StopTests(PoolTestCase):
    """To stop."""

    def test_drains(self) -> None:
        """Each worker is asked to drain; the last that is gone ends the wait, and nothing is left to do."""
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

    def test_door(self) -> None:
        """Nobody can connect from then on, and idle clients are not waited for."""
        first, _ = self.run_pool()
        self.pool.stopService()
        self.assertEqual(self.listener.done, ["open", "close"])
        self.assertFalse(first.sent_commands[0]["wait_for_idle"])

    def test_not_ready_yet(self) -> None:
        """A worker that is not ready has nothing to drain, and just ends; who waits for it is told."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.pool.stopService()
        self.assertEqual([each.signals for each in self.reactor.started], [["TERM"], ["TERM"]])
        self.assertIn("stopped", str(self.failureResultOf(when_ready, ConfigError).value))

    def test_stubborn(self) -> None:
        """One that does not drain is told to end, and one that does not end is killed."""
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
        """While a start is waited for, there is nothing to wait for but to stop."""
        first, second = self.run_pool()
        for each in first, second:
            each.end(code=1)
            self.reactor.started[-1].end(code=1)
        self.assertEqual(self.phases(), [])
        self.successResultOf(self.pool.stopService())

    def test_not_started(self) -> None:
        """What was only claimed is let go."""
        self.pool.bind()
        self.successResultOf(self.pool.stopService())
        self.assertEqual(self.listener.done, ["open", "close"])

    def test_twice(self) -> None:
        """To stop twice is to stop once, and both wait for it."""
        first, second = self.run_pool()
        both = [self.pool.stopService(), self.pool.stopService()]
        self.assertEqual(first.commands, ["drain"])
        self.drain(first, second)
        for each in both:
            self.successResultOf(each)

    def test_dies_meanwhile(self) -> None:
        """One that dies, however, while it is to end is not replaced, and no failure."""
        first, second = self.run_pool()
        stopped = self.pool.stopService()
        first.end(by=11)
        second.end(code=3)
        self.successResultOf(stopped)
        self.assertEqual((len(self.reactor.started), self.failures), (2, []))

    def test_silent(self) -> None:
        """One that ends is not watched any more: to answer what it was asked may keep it busy."""
        first, second = self.run_pool()
        self.pool.stopService()
        self.live(POLICY.watchdog * 2, silent=[first, second])
        self.assertEqual(first.signals, [])

    def test_start_again(self) -> None:
        """After it was stopped it can be started, and opens the door."""
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


class RestartTests(PoolTestCase):
    """To stop, and start again."""

    def test_all_new(self) -> None:
        """Others are started when all are gone; it is done when they are ready."""
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

    def test_door(self) -> None:
        """The door stays open: clients that connect meanwhile wait."""
        workers = self.run_pool()
        Deferred.fromCoroutine(self.pool.restart())
        self.drain(*workers)
        self.assertEqual(self.listener.done, ["open"])

    def test_cannot_start(self) -> None:
        """When the new ones cannot start, it has failed, and the door is closed."""
        workers = self.run_pool()
        restarted = Deferred.fromCoroutine(self.pool.restart())
        self.drain(*workers)
        self.last().end(code=3)
        self.assertIn("exited with code 3", str(self.failureResultOf(restarted, ConfigError).value))
        self.assertEqual((self.pool.stats().state, self.listener.is_open), ("failed", False))

    def test_stopped_meanwhile(self) -> None:
        """What is stopped meanwhile stays so."""
        workers = self.run_pool()
        restarted = Deferred.fromCoroutine(self.pool.restart())
        stopped = self.pool.stopService()
        self.drain(*workers)
        self.successResultOf(restarted)
        self.successResultOf(stopped)
        self.assertEqual((len(self.reactor.started), self.listener.is_open), (2, False))

    def test_path_is_removed(self) -> None:
        """To start again finds out whether clients still find the door."""
        workers = self.run_pool()
        Deferred.fromCoroutine(self.pool.restart())
        self.listener.remove()
        self.drain(*workers)
        self.assertTrue(self.listener.is_open)

    def test_door_does_not_open(self) -> None:
        """When the door cannot be opened any more it is said, and it can be tried again."""
        workers = self.run_pool()
        restarted = Deferred.fromCoroutine(self.pool.restart())
        self.listener.remove()
        self.listener.problem = "is in the way"
        self.drain(*workers)
        self.assertIn("is in the way", str(self.failureResultOf(restarted, ConfigError).value))
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
    """To end now."""

    def test_while_it_stops(self) -> None:
        """Who is in a hurry has them all killed, and is done when they are gone."""
        first, second = self.run_pool()
        stopped = self.pool.stopService()
        self.pool.abort()
        self.assertEqual((first.signals, second.signals), (["KILL"], ["KILL"]))
        for each in first, second:
            each.end(by=9)
        self.successResultOf(stopped)
        self.assertEqual((len(self.reactor.started), self.failures), (2, []))

    def test_while_it_runs(self) -> None:
        """It is the end: none is started in their places."""
        for each in self.run_pool():
            self.pool.abort()
            self.assertEqual(each.signals[:1], ["KILL"])
        for each in list(self.reactor.started):
            each.end(by=9)
        self.reactor.advance(60)
        self.assertEqual(len(self.reactor.started), 2)

    def test_while_it_starts(self) -> None:
        """Workers that are not ready yet are killed like any."""
        self.pool.startService()
        self.pool.stopService()
        self.pool.abort()
        self.assertEqual([each.signals for each in self.reactor.started], [["TERM", "KILL"]] * 2)
