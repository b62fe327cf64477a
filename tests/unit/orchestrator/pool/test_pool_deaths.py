"""Workers that die, get stuck, or are ended by somebody else."""

from __future__ import annotations

import errno

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.unit.orchestrator.pool.pool_harness import POLICY, PoolTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import COMMANDS_FD, WorkerDraining, WorkerFailed, WorkerReady


class DeathTests(PoolTestCase):
    """Dead workers are replaced, the more slowly the more often they die."""

    def test_at_once(self) -> None:
        """The first is replaced at once, in its own slot; the other one is left alone."""
        first, second = self.run_pool()
        first.end(by=9)
        self.assertEqual([each.worker_config.slot for each in self.reactor.started], [1, 2, 1])
        self.assertEqual(self.phases(), ["starting", "ready"])
        self.assertEqual((second.commands, second.signals), ([], []))

    def test_back_off(self) -> None:
        """One that dies again and again is replaced ever more slowly, by chance a quarter more or less."""
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
        """After a good second, the next death is the first again."""
        first, _ = self.run_pool()
        first.end(code=1)
        for _ in range(9):
            successor = self.last()
            successor.report(WorkerReady())
            self.live(1)
            successor.end(code=1)
            self.assertIsNot(self.last(), successor)

    def test_cannot_be_started(self) -> None:
        """That the machine has no room for a process may pass: it is tried again, but not all the time."""
        first, second = self.run_pool()
        self.live(2)
        self.reactor.refuse = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        first.end(by=9)
        self.reactor.advance(0)
        self.reactor.refuse = None
        self.live(0.75)
        self.assertEqual(len(self.reactor.running), 2)
        self.assertIsNot(self.last(), second)

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
        """What went wrong can be read until all are well again."""
        first, _ = self.run_pool()
        first.end(by=11)
        self.assertEqual(self.pool.stats().problem, "a worker was killed by signal 11")
        self.last().report(WorkerReady())
        self.assertEqual(self.pool.stats().problem, "")

    def test_told_to_end_by_others(self) -> None:
        """One that says that it was told to end is replaced at once, and not once more when it has ended."""
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

    def test_told_to_end_by_others_takes_long(self) -> None:
        """One that was told to end by somebody else has the same time for it as any."""
        first, _ = self.run_pool()
        first.report(WorkerDraining())
        self.last().report(WorkerReady())
        self.live(POLICY.drain_timeout)
        self.assertEqual(first.signals, ["TERM"])


class FailedTests(PoolTestCase):
    """When it is given up."""

    def kill_all(self) -> None:
        """Let every worker die, over five seconds."""
        for _ in range(50):
            for each in self.reactor.running:
                each.report(WorkerFailed("no disk"))
                each.end(code=3)
            self.reactor.advance(0.1)

    def test_failed(self) -> None:
        """When the workers of every slot have died early too often, nothing is started any more."""
        self.run_pool()
        self.kill_all()
        count = len(self.reactor.started)
        self.assertEqual(count, 2 * POLICY.start_limit)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.reactor.advance(1000)
        self.assertEqual(len(self.reactor.started), count)

    def test_is_told_once(self) -> None:
        """That, and why, is told once, and can be read; the door is closed, as nobody would ever accept."""
        self.run_pool()
        with capturedLogs() as events:
            self.kill_all()
        self.assertEqual((self.failures, self.listener.done), (["no disk"], ["open", "close"]))
        self.assertEqual((self.pool.stats().state, self.pool.stats().problem), ("failed", "no disk"))
        self.assertEqual(len([each for each in events if "is not restarted" in each["log_format"]]), 1)

    def test_another_serves(self) -> None:
        """As long as another slot serves, it has not failed: the slot is tried again after a long time."""
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
        """Workers that die, but were stable before, never make it fail."""
        self.run_pool()
        for _ in range(20):
            self.live(1)
            for each in self.reactor.running:
                each.end(code=1)
            for each in self.reactor.running:
                each.report(WorkerReady())
        self.assertEqual(self.failures, [])

    def test_started_again(self) -> None:
        """It can be started again, with the door open, and all forgotten."""
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
        """One that has failed and then is stopped on purpose is stopped, like any."""
        self.run_pool()
        self.kill_all()
        self.successResultOf(self.pool.stopService())
        self.assertEqual(self.pool.stats().state, "stopped")

    def test_change_under_way(self) -> None:
        """Who waits for more workers meanwhile is told that it has failed."""
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
    """Workers whose event loop stands still."""

    def test_dumped_and_killed(self) -> None:
        """One that is not heard for the watchdog's time writes its stack, is killed, and is replaced."""
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
        """Its end starts no second successor."""
        first, _ = self.run_pool()
        self.live(POLICY.watchdog + 0.5, silent=[first])
        self.last().report(WorkerReady())
        first.end(by=9)
        self.live(5)
        self.assertEqual((len(self.reactor.started), self.phases()), (3, ["ready", "ready"]))

    def test_said(self) -> None:
        """It is said which one, for how long, and that its stack follows."""
        first, _ = self.run_pool()
        with capturedLogs() as events:
            self.live(POLICY.watchdog, silent=[first])
        [said] = [each for each in events if each["log_level"].name == "error"]
        self.assertIn("stack", said["log_format"])
        self.assertEqual((said["worker"], round(said["silent"])), (f"home[1] (pid {first.pid})", 10))

    def test_late_sign_of_life(self) -> None:
        """Once its stack is written it is too late: another one has its slot."""
        first, _ = self.run_pool()
        self.live(POLICY.watchdog, silent=[first])
        self.live(0.5)
        self.assertEqual(first.signals, ["QUIT", "KILL"])

    def test_own_time(self) -> None:
        """A shorter time holds as well, and a worker that answers each beat keeps to it."""
        self.make_pool(policy=replace(POLICY, watchdog=0.8))
        first, second = self.run_pool()
        self.live(30, silent=[first])
        self.assertEqual((first.signals, second.signals), (["QUIT", "KILL"], []))

    def test_orchestrator_was_late(self) -> None:
        """While the orchestrator itself stands still it hears nobody: it does not blame its workers."""
        first, second = self.run_pool()
        self.live(5)
        self.reactor.advance(60)
        self.live(5)
        self.assertEqual((first.signals, second.signals), ([], []))

    def test_stuck_after_the_orchestrator_was_late(self) -> None:
        """Nor does it forget, over that, how long one had been silent before."""
        first, _ = self.run_pool()
        self.live(5, silent=[first])
        self.reactor.advance(60)
        self.live(5, silent=[first])
        self.assertEqual(first.signals[:1], ["QUIT"])

    def test_everybody_has_more_time(self) -> None:
        """Nor those that start, or end, while it stands still."""
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

    def test_does_not_listen(self) -> None:
        """One worker that cannot be asked does not end the heartbeat of the others."""
        first, second = self.run_pool()
        first.protocol.childConnectionLost(COMMANDS_FD)
        self.live(3)
        self.assertEqual(len(second.commands), 3)
