"""Tests of workers that die, get stuck, or are signalled by another process."""

from __future__ import annotations

import errno
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.unit.orchestrator.pool.pool_harness import POLICY, PoolTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import COMMANDS_FD, WorkerDraining, WorkerFailed, WorkerReady


class DeathTests(PoolTestCase):
    """Dead workers are replaced, with a back-off."""

    def test_at_once(self) -> None:
        """After the first death, the slot is filled at once; other workers stay."""
        first, second = self.run_pool()
        first.end(by=9)
        self.assertEqual([each.worker_config.slot for each in self.reactor.started], [1, 2, 1])
        self.assertEqual(self.phases(), ["starting", "ready"])
        self.assertEqual((second.commands, second.signals), ([], []))

    def test_back_off(self) -> None:
        """Further deaths in a row are followed by longer and longer delays, with jitter."""
        first, _ = self.run_pool()
        first.end(code=1)
        self.last().end(code=1)
        for delay in 0.5, 1.0, 2.0:
            before = len(self.reactor.started)
            self.reactor.advance(delay * 0.74)
            self.assertEqual(len(self.reactor.started), before)
            self.reactor.advance(delay * 0.52)
            self.assertEqual(len(self.reactor.started), before + 1)
            self.last().end(code=1)

    def test_stable(self) -> None:
        """After a worker was stable, there is no back-off."""
        first, _ = self.run_pool()
        first.end(code=1)
        for _ in range(9):
            successor = self.last()
            successor.report(WorkerReady())
            self.live(1)
            successor.end(code=1)
            self.assertIsNot(self.last(), successor)

    def test_cannot_be_started(self) -> None:
        """If a process cannot be started, the start is tried again, with a back-off."""
        first, second = self.run_pool()
        self.live(2)
        self.reactor.refuse = OSError(errno.ENOENT, "No such file or directory")
        first.end(by=9)
        self.reactor.advance(0)
        self.reactor.refuse = None
        self.live(0.75)
        self.assertEqual(len(self.reactor.running), 2)
        self.assertIsNot(self.last(), second)

    def test_lack_of_resources(self) -> None:
        """Starts for which the kernel lacks the resources are no early deaths, and are tried each second."""
        for number in errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN:
            self.make_pool(policy=replace(POLICY, start_limit=2, start_interval=60))
            first, second = self.run_pool()
            self.live(2)
            self.reactor.refuse = OSError(number, "there is not enough")
            with capturedLogs() as events:
                first.end(by=9)
                second.end(by=9)
                self.live(29)
            logged = [each for each in events if "trying again" in each.get("log_format", "")]
            self.assertEqual(len(logged), 3)  # at most once in ten seconds
            stats = self.pool.stats()
            self.assertEqual(
                (stats.state, stats.problem), ("", "a worker cannot be started: there is not enough")
            )
            self.assertEqual((self.failures, self.counts_pages[-1].taken), ([], set()))
            self.assertTrue(self.counts_pages[-1].closed)
            self.reactor.refuse = None
            self.live(1)
            self.assertEqual(sorted(each.worker_config.slot for each in self.reactor.running), [1, 2])
            for each in self.reactor.running:
                each.report(WorkerReady())
            self.assertEqual(self.pool.stats().problem, "")

    def test_no_page(self) -> None:
        """The same holds if the kernel lacks the resources for the page of connection counts."""
        real, self.make_counts = self.make_counts, self.refuse_counts  # type: ignore[method-assign]
        self.make_pool()
        self.pool.startService()
        self.live(5)
        self.assertEqual((self.reactor.started, self.pool.stats().state), ([], ""))
        self.make_counts = real  # type: ignore[method-assign]
        self.live(1)
        self.assertEqual(len(self.reactor.started), 2)

    def refuse_counts(self) -> Any:
        """Fail to make a page."""
        raise OSError(errno.EMFILE, "too many open files")

    def test_one_cannot_be_started(self) -> None:
        """A start that fails while others succeed leaves one process in each slot."""
        first, second = self.run_pool()
        first.end(by=9)
        self.reactor.refuse = OSError(errno.EAGAIN, "no more processes")
        second.end(by=9)
        self.reactor.advance(0)
        self.reactor.refuse = None
        self.live(5)
        self.assertEqual(sorted(each.worker_config.slot for each in self.reactor.running), [1, 2])

    def test_problem(self) -> None:
        """The status has the last problem until all workers are ready again."""
        first, _ = self.run_pool()
        first.end(by=11)
        self.assertEqual(self.pool.stats().problem, "a worker was killed by signal 11")
        self.last().report(WorkerReady())
        self.assertEqual(self.pool.stats().problem, "")

    def test_signalled(self) -> None:
        """A worker that was signalled is replaced at once, and not again after its exit."""
        first, second = self.run_pool()
        for _ in range(6):  # and that is no failure, however often it happens
            process = self.reactor.running[0] if self.last() is second else self.last()
            process.report(WorkerReady())
            process.report(WorkerDraining())
            self.assertIsNot(self.last(), process)
            successor = self.last()
            process.end()
            self.assertIs(self.last(), successor)
        self.assertEqual((first.commands, first.signals), ([], []))

    def test_signalled_drains_too_long(self) -> None:
        """A worker that was signalled has the same drain timeout as others."""
        first, _ = self.run_pool()
        first.report(WorkerDraining())
        self.last().report(WorkerReady())
        self.live(POLICY.drain_timeout)
        self.assertEqual(first.signals, ["TERM"])


class FailedTests(PoolTestCase):
    """The service fails."""

    def kill_all(self) -> None:
        """Let every worker die early, for five seconds."""
        for _ in range(50):
            for each in self.reactor.running:
                each.report(WorkerFailed("no disk"))
                each.end(code=3)
            self.reactor.advance(0.1)

    def test_failed(self) -> None:
        """When every slot has hit the start limit, no worker is started any more."""
        self.run_pool()
        self.kill_all()
        count = len(self.reactor.started)
        self.assertEqual(count, 2 * POLICY.start_limit)
        self.reactor.advance(1)  # the last deadline can be a rounding error ahead
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.reactor.advance(1000)
        self.assertEqual(len(self.reactor.started), count)

    def test_reported_once(self) -> None:
        """The failure is reported and logged once, with its reason; the listener is closed."""
        self.run_pool()
        with capturedLogs() as events:
            self.kill_all()
        self.assertEqual((self.failures, self.listener.done), (["no disk"], ["open", "close"]))
        self.assertEqual((self.pool.stats().state, self.pool.stats().problem), ("failed", "no disk"))
        self.assertEqual(len([each for each in events if "is not restarted" in each["log_format"]]), 1)

    def test_another_serves(self) -> None:
        """While another slot serves, the service has not failed: the slot is tried again later."""
        first, second = self.run_pool()
        first.end(code=1)
        for _ in range(50):
            for each in self.reactor.running:
                if each is not second:
                    each.end(code=1)
            self.live(0.125)
        count = len(self.reactor.started)
        self.assertEqual(count, 1 + POLICY.start_limit)
        before = self.reactor.seconds()
        for _ in range(40):
            if len(self.reactor.started) == count:
                self.live(1)
        self.assertTrue(
            POLICY.max_delay * 0.75 - 6 < self.reactor.seconds() - before < POLICY.max_delay * 1.25
        )
        self.assertEqual(self.failures, [])

    def test_stable(self) -> None:
        """Deaths of stable workers never make the service fail."""
        self.run_pool()
        for _ in range(20):
            self.live(1)
            for each in self.reactor.running:
                each.end(code=1)
            for each in self.reactor.running:
                each.report(WorkerReady())
        self.assertEqual(self.failures, [])

    def test_started_again(self) -> None:
        """A failed service can be started again, with an open listener and no history."""
        self.run_pool()
        self.kill_all()
        known = list(self.reactor.started)
        restarted = Deferred.fromCoroutine(self.pool.restart())
        for each in self.started_after(*known):
            each.report(WorkerReady())
        self.successResultOf(restarted)
        stats = self.pool.stats()
        self.assertEqual((stats.state, stats.problem, self.listener.is_open), ("", "", True))
        self.last().end(code=1)
        self.assertEqual(len(self.reactor.running), 2)

    def test_stopped(self) -> None:
        """A failed service that is stopped has the state "stopped"."""
        self.run_pool()
        self.kill_all()
        self.successResultOf(self.pool.stopService())
        self.assertEqual(self.pool.stats().state, "stopped")

    def test_change_under_way(self) -> None:
        """A change of the number of workers fails if the service fails."""
        self.run_pool()
        scaled = self.pool.scale(3)
        for _ in range(100):
            for each in self.reactor.running:
                if each.worker_config.slot < 3 or self.reactor.seconds() > 104:
                    each.report(WorkerReady())
                    each.end(by=11)
            self.reactor.advance(0.1)
        self.assertEqual(self.pool.stats().state, "failed")
        self.failureResultOf(scaled, ConfigError)


class StuckTests(PoolTestCase):
    """Workers whose event loop is blocked."""

    def test_dumped_and_killed(self) -> None:
        """A worker silent for the watchdog time writes its stack, is killed, and is replaced."""
        first, second = self.run_pool()
        self.live(POLICY.watchdog - 0.125, silent=[first])
        self.assertEqual((first.signals, len(self.reactor.started)), ([], 2))
        self.live(0.125, silent=[first])
        self.assertEqual((first.signals, self.phases()), (["QUIT"], ["stuck", "starting", "ready"]))
        self.assertEqual(self.last().worker_config.slot, 1)
        self.live(0.125, silent=[first])
        self.assertEqual(first.signals, ["QUIT"])
        self.live(0.125, silent=[first])
        self.assertEqual((first.signals, second.signals), (["QUIT", "KILL"], []))

    def test_end(self) -> None:
        """The end of a stuck worker starts no second successor."""
        first, _ = self.run_pool()
        self.live(POLICY.watchdog + 0.5, silent=[first])
        self.last().report(WorkerReady())
        first.end(by=9)
        self.live(5)
        self.assertEqual((len(self.reactor.started), self.phases()), (3, ["ready", "ready"]))

    def test_logged(self) -> None:
        """The log names the worker, how long it was silent, and that its stack follows."""
        first, _ = self.run_pool()
        with capturedLogs() as events:
            self.live(POLICY.watchdog, silent=[first])
        [said] = [each for each in events if each["log_level"].name == "error"]
        self.assertIn("stack", said["log_format"])
        self.assertEqual((said["worker"], round(said["silent"])), (f"home[1] (pid {first.pid})", 10))

    def test_late_report(self) -> None:
        """A report after the stack was written does not save the worker."""
        first, _ = self.run_pool()
        self.live(POLICY.watchdog, silent=[first])
        self.live(0.5)
        self.assertEqual(first.signals, ["QUIT", "KILL"])

    def test_own_watchdog(self) -> None:
        """A shorter watchdog time has a faster heartbeat, which a healthy worker keeps up with."""
        self.make_pool(policy=replace(POLICY, watchdog=0.8))
        first, second = self.run_pool()
        self.live(30, silent=[first])
        self.assertEqual((first.signals, second.signals), (["QUIT", "KILL"], []))

    def test_stall(self) -> None:
        """After a stall of the orchestrator no worker counts as stuck."""
        first, second = self.run_pool()
        self.live(5)
        self.reactor.advance(60)
        self.live(5)
        self.assertEqual((first.signals, second.signals), ([], []))

    def test_stuck_after_stall(self) -> None:
        """A stall does not reset the time that a worker was silent before."""
        first, _ = self.run_pool()
        self.live(5, silent=[first])
        self.reactor.advance(60)
        self.live(5, silent=[first])
        self.assertEqual(first.signals[:1], ["QUIT"])

    def test_stall_extends_deadlines(self) -> None:
        """A stall extends the deadlines of starting and draining workers."""
        first, second = self.run_pool()
        self.pool.scale(1)
        self.live(5)
        first.end(by=9)
        starting = self.last()
        self.reactor.advance(60)
        self.live(8)
        self.assertEqual((second.signals, starting.signals), ([], []))
        self.live(4)
        self.assertEqual((second.signals, starting.signals), ([], ["KILL"]))
        self.live(POLICY.drain_timeout - 17)
        self.assertEqual(second.signals, ["TERM"])

    def test_closed_commands(self) -> None:
        """A worker that has closed its command pipe does not stop the heartbeat of others."""
        first, second = self.run_pool()
        first.protocol.childConnectionLost(COMMANDS_FD)
        self.live(3)
        self.assertEqual(len(second.commands), 3)
