"""The workers of one service, with processes that are only said to be there."""

from __future__ import annotations

import errno
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.orchestrator.processes import FakeProcess, Processes, orders_for
from unixsvc.domain.interfaces import IServicePool
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.messages import COMMANDS_FD, Failed, Ready, Status
from unixsvc.orchestrator.policy import Rules
from unixsvc.orchestrator.pool import Pool
from unixsvc.orchestrator.process import Owner, WorkerProcess
from unixsvc.telemetry.metrics import Snapshot

RULES = Rules(boot_timeout=10, drain_timeout=30, kill_timeout=5)


class PoolTestCase(SynchronousTestCase):
    """Has a pool of two workers."""

    def setUp(self) -> None:
        """Make it; it is not started yet."""
        self.reactor = Processes()
        self.reactor.advance(100)  # so that no time is by chance that of the beginning
        self.pool = Pool("home", self.reactor, self.make, 2, RULES)

    def make(self, slot: int, owner: Owner) -> WorkerProcess:
        """A worker."""
        return WorkerProcess(self.reactor, orders_for(slot), 7, owner)

    def run_pool(self) -> list[FakeProcess]:
        """Start it, and have its workers ready."""
        self.pool.startService()
        for each in self.reactor.started:
            each.report(Ready())
        return list(self.reactor.started)

    def phases(self) -> list[str]:
        """Of the workers that there are."""
        return [each.phase for each in self.pool.figures().workers]


class StartTests(PoolTestCase):
    """Up to the first moment when all is well."""

    def test_interface(self) -> None:
        """It is what the orchestrator takes for a service."""
        verifyObject(IServicePool, self.pool)

    def test_starts_all(self) -> None:
        """Each slot gets a worker, which is told which one it is."""
        self.pool.startService()
        self.assertEqual([each.orders.slot for each in self.reactor.started], [1, 2])
        self.assertEqual(self.phases(), ["starting", "starting"])

    def test_booted(self) -> None:
        """It has booted when the last worker is ready."""
        self.pool.startService()
        booted = self.pool.booted()
        self.reactor.started[1].report(Ready())
        self.assertNoResult(booted)
        self.reactor.started[0].report(Ready())
        self.successResultOf(booted)
        self.successResultOf(self.pool.booted())

    def test_cannot_boot(self) -> None:
        """A worker that says why it cannot start is believed, and not started again."""
        self.pool.startService()
        booted = self.pool.booted()
        self.reactor.started[0].report(Failed("there is no module 'shop'"))
        self.reactor.started[0].end(code=3)
        error = self.failureResultOf(booted, ConfigError).value
        self.assertIn("home", str(error))
        self.assertIn("there is no module 'shop'", str(error))
        self.assertEqual(len(self.reactor.started), 2)

    def test_dies_while_it_boots(self) -> None:
        """One that says nothing is described by how it ended."""
        self.pool.startService()
        booted = self.pool.booted()
        self.reactor.started[0].end(by=11)
        self.assertIn("signal 11", str(self.failureResultOf(booted, ConfigError).value))

    def test_hangs_while_it_boots(self) -> None:
        """One that is not ready in time is killed."""
        self.pool.startService()
        self.reactor.started[0].report(Ready())
        self.reactor.advance(9.9)
        self.assertEqual(self.reactor.started[1].signals, [])
        self.reactor.advance(0.1)
        self.assertEqual(self.reactor.started[1].signals, ["KILL"])
        self.assertEqual(self.reactor.started[0].signals, [])


class RestartTests(PoolTestCase):
    """Dead workers."""

    def test_at_once(self) -> None:
        """The first is replaced at once, in its own slot."""
        first, _ = self.run_pool()
        first.end(by=9)
        self.assertEqual([each.orders.slot for each in self.reactor.started], [1, 2, 1])
        self.assertEqual(self.phases(), ["starting", "ready"])

    def test_back_off(self) -> None:
        """One that dies again and again is replaced ever more slowly."""
        self.run_pool()
        self.reactor.started[-1].end(code=1)
        self.reactor.started[-1].end(code=1)
        for delay in 0.5, 1.0, 2.0:
            before = len(self.reactor.started)
            self.reactor.advance(delay - 0.01)
            self.assertEqual(len(self.reactor.started), before)
            self.reactor.advance(0.01)
            self.assertEqual(len(self.reactor.started), before + 1)
            self.reactor.started[-1].end(code=1)

    def test_stable(self) -> None:
        """After ten good seconds, the next death is the first again."""
        self.run_pool()
        self.reactor.started[-1].end(code=1)
        self.reactor.started[-1].report(Ready())
        self.reactor.advance(10)
        self.reactor.started[-1].end(code=1)
        self.assertEqual(len(self.reactor.started), 4)

    def test_cannot_be_started(self) -> None:
        """That the machine has no room for a process may pass: it is tried again, but not all the time."""
        first, _ = self.run_pool()
        self.reactor.refuse = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        first.end(by=9)
        self.reactor.advance(0)
        self.reactor.refuse = None
        self.assertEqual(len(self.reactor.started), 2)
        self.reactor.advance(0.5)
        self.assertEqual(len(self.reactor.started), 3)


class AccidentTests(PoolTestCase):
    """What must not confuse the others."""

    def test_one_cannot_be_started(self) -> None:
        """A start that fails while others succeed leaves one process in each slot."""
        first, second = self.run_pool()
        first.end(by=9)
        self.reactor.refuse = OSError(errno.EAGAIN, "no more processes")
        self.reactor.advance(0)
        second.end(by=9)
        self.reactor.refuse = None
        self.reactor.pump([0.25] * 20)
        slots = [each.orders.slot for each in self.reactor.started[2:]]
        self.assertEqual(sorted(slots), sorted(set(slots)))

    def test_dies_after_it_was_ready(self) -> None:
        """Once a worker has been ready, its death means a new one, even while others still boot."""
        self.pool.startService()
        booted = self.pool.booted()
        self.reactor.started[0].report(Ready())
        self.reactor.started[0].end(by=9)
        self.assertNoResult(booted)
        self.reactor.advance(0)
        self.assertEqual(len(self.reactor.started), 3)

    def test_one_does_not_listen(self) -> None:
        """One worker that cannot be asked does not end the heartbeat of the others."""
        first, second = self.run_pool()
        first.protocol.childConnectionLost(COMMANDS_FD)
        self.reactor.pump([1.0] * 3)
        self.assertEqual(len(second.told), 3)

    def test_reason_of_timeout(self) -> None:
        """A worker that was killed as it did not get ready is said to have been too slow."""
        self.pool.startService()
        booted = self.pool.booted()
        self.reactor.advance(RULES.boot_timeout)
        self.reactor.started[0].end(by=9)
        self.assertIn("not ready within 10 s", str(self.failureResultOf(booted, ConfigError).value))


class StopTests(PoolTestCase):
    """All workers end."""

    def test_drains(self) -> None:
        """Each worker is asked to drain; the last that is gone ends the wait, and nothing is left to do."""
        first, second = self.run_pool()
        stopped = self.pool.stopService()
        self.assertEqual((first.told, second.told), (["drain"], ["drain"]))
        first.end()
        self.assertNoResult(stopped)
        second.end()
        self.successResultOf(stopped)
        self.reactor.advance(1)  # past the wait for a dead worker's last words
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(len(self.reactor.started), 2)

    def test_not_ready_yet(self) -> None:
        """A worker that is not ready has nothing to drain, and just ends."""
        self.pool.startService()
        self.pool.stopService()
        self.assertEqual([each.signals for each in self.reactor.started], [["TERM"], ["TERM"]])

    def test_stubborn(self) -> None:
        """One that does not drain is told to end, and one that does not end is killed."""
        first, _ = self.run_pool()
        self.pool.stopService()
        self.reactor.pump([0, 29.9])
        self.assertEqual(first.signals, [])
        self.reactor.pump([0.1, 0, 4.9])
        self.assertEqual(first.signals, ["TERM"])
        self.reactor.pump([0.1, 0, 60])
        self.assertEqual(first.signals, ["TERM", "KILL"])

    def test_without_workers(self) -> None:
        """While a start is waited for, there is nothing to wait for but to stop."""
        first, second = self.run_pool()
        for each in first, second:
            each.end(code=1)
            self.reactor.started[-1].end(code=1)
        self.assertEqual(self.phases(), [])
        self.successResultOf(self.pool.stopService())

    def test_twice(self) -> None:
        """To stop twice is to stop once."""
        first, _ = self.run_pool()
        self.pool.stopService()
        self.pool.stopService()
        self.assertEqual(first.told, ["drain"])

    def test_abort(self) -> None:
        """Who is in a hurry has them all killed."""
        first, second = self.run_pool()
        self.pool.stopService()
        self.pool.abort()
        self.assertEqual((first.signals, second.signals), (["KILL"], ["KILL"]))


class FiguresTests(PoolTestCase):
    """What is known of the workers."""

    def requests(self) -> int:
        """How many were answered, as far as is known."""
        figures = self.pool.figures()
        return figures.ended.requests + sum(each.status.snapshot.requests for each in figures.workers)

    def test_asked_each_second(self) -> None:
        """Ready workers are asked for their figures each second, others are not."""
        self.pool.startService()
        first, second = self.reactor.started
        first.report(Ready())
        self.reactor.pump([1.0] * 3)
        self.assertEqual(first.told, ["figures"] * 3)
        self.assertEqual(second.told, [])

    def test_kept(self) -> None:
        """What a worker had counted is not lost with it."""
        first, second = self.run_pool()
        first.report(Status(Snapshot(requests=3)))
        second.report(Status(Snapshot(requests=4)))
        first.end(by=9)
        self.assertEqual(self.requests(), 7)
        self.reactor.started[-1].report(Status(Snapshot(requests=1)))
        self.assertEqual(self.requests(), 8)

    def test_latest(self) -> None:
        """A report replaces the one before it."""
        first, _ = self.run_pool()
        for count in 1, 2:
            first.report(Status(Snapshot(requests=count), connections=count))
        self.assertEqual(self.requests(), 2)
        self.assertEqual(self.pool.figures().workers[0].status.connections, 2)

    def test_refresh(self) -> None:
        """It is done when every worker has answered."""
        first, second = self.run_pool()
        done = self.pool.refresh()
        first.report(Status())
        self.assertNoResult(done)
        second.report(Status())
        self.successResultOf(done)

    def test_refresh_is_bounded(self) -> None:
        """A worker that does not answer holds nobody up for longer than a second."""
        self.run_pool()
        done = self.pool.refresh()
        self.reactor.advance(1)
        self.successResultOf(done)

    def test_uptime(self) -> None:
        """It is that of the worker, not of its service."""
        first, _ = self.run_pool()
        self.reactor.advance(5)
        first.end(by=9)
        self.reactor.advance(2)
        uptimes: list[Any] = [each.uptime for each in self.pool.figures().workers]
        self.assertEqual(uptimes, [2, 7])
