"""The first workers of a service, with processes that are only said to be there."""

from __future__ import annotations

import errno

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from tests.unit.orchestrator.pool.pool_harness import POLICY, PoolTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.interfaces import IServicePool
from unixsvc.orchestrator.worker.messages import COUNTS_FD, WorkerDraining, WorkerFailed, WorkerReady


class StartTests(PoolTestCase):
    """Up to the first moment when all is well."""

    def test_interface(self) -> None:
        """It is what the orchestrator takes for a service."""
        verifyObject(IServicePool, self.pool)

    def test_claim(self) -> None:
        """To claim is to open the door, and no more."""
        self.pool.bind()
        self.assertEqual((self.listener.done, self.reactor.started), (["open"], []))
        self.assertEqual(self.pool.stats().state, "waiting")

    def test_starts_all(self) -> None:
        """Each slot gets a worker, which is told which one it is, and given the door."""
        self.pool.startService()
        self.assertEqual([each.worker_config.slot for each in self.reactor.started], [1, 2])
        self.assertEqual({each.arguments["childFDs"][6] for each in self.reactor.started}, {7})
        self.assertEqual(self.phases(), ["starting", "starting"])
        self.assertEqual((self.listener.done, self.pool.stats().state), (["open"], ""))

    def test_places(self) -> None:
        """Each worker counts its connections in a place of its own, on one page that all of them share."""
        first, second = self.run_pool()
        (counts,) = self.counts_pages
        self.assertEqual({each.arguments["childFDs"][COUNTS_FD] for each in (first, second)}, {8})
        self.assertEqual(counts.taken, {1, 2})
        first.end(by=9)
        self.assertEqual((len(self.reactor.started), counts.taken), (3, {1, 2}))
        self.pool.stopService()
        second.end(code=0)
        self.assertEqual((counts.taken, counts.closed), ({1}, False))
        self.reactor.started[2].end(code=0)
        self.assertEqual((counts.taken, counts.closed), (set(), True))

    def test_booted(self) -> None:
        """It has booted when the last worker is ready."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.reactor.started[1].report(WorkerReady())
        self.assertNoResult(when_ready)
        self.reactor.started[0].report(WorkerReady())
        self.successResultOf(when_ready)
        self.successResultOf(self.pool.when_ready())

    def test_ready_twice(self) -> None:
        """That a worker says so twice makes no second one of it."""
        self.pool.startService()
        for _ in range(2):
            self.reactor.started[0].report(WorkerReady())
        self.assertNoResult(self.pool.when_ready())


class CannotStartTests(PoolTestCase):
    """The first workers do not get ready."""

    def test_says_why(self) -> None:
        """A worker that says why it cannot start is believed, and not started again."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.reactor.started[0].report(WorkerFailed("there is no module 'shop'"))
        self.reactor.started[0].end(code=3)
        error = self.failureResultOf(when_ready, ConfigError).value
        self.assertIn("services.home", str(error))
        self.assertIn("there is no module 'shop'", str(error))
        self.assertEqual(len(self.reactor.started), 2)

    def test_state(self) -> None:
        """Then it has failed, as it says itself: who waits for its boot is told, and nobody else."""
        self.pool.startService()
        self.reactor.started[0].report(WorkerFailed("no disk"))
        self.reactor.started[0].end(code=3)
        self.assertEqual((self.pool.stats().state, self.pool.stats().problem), ("failed", "no disk"))
        self.assertEqual(self.failures, [])
        self.failureResultOf(self.pool.when_ready(), ConfigError)

    def test_others_end(self) -> None:
        """The others are told to end, nobody can connect any more, and nothing is left to do."""
        self.pool.startService()
        one, two = self.reactor.started
        one.report(WorkerReady())
        two.end(code=3)
        self.assertEqual((one.commands, self.listener.is_open), (["drain"], False))
        self.assertFalse(one.sent_commands[0]["wait_for_idle"])
        one.end()
        self.reactor.advance(1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(len(self.reactor.started), 2)

    def test_dies(self) -> None:
        """One that says nothing is described by how it ended."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.reactor.started[0].end(by=11)
        self.assertIn("signal 11", str(self.failureResultOf(when_ready, ConfigError).value))

    def test_hangs(self) -> None:
        """One that is not ready in time is killed, and that is said to be the reason."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        one, two = self.reactor.started
        one.report(WorkerReady())
        self.live(POLICY.boot_timeout - 0.125)
        self.assertEqual(two.signals, [])
        self.live(0.125)
        self.assertEqual((one.signals, two.signals), ([], ["KILL"]))
        two.end(by=9)
        error = str(self.failureResultOf(when_ready, ConfigError).value)
        self.assertIn("not ready within 10 s", error)

    def test_no_process(self) -> None:
        """That the machine has no room for a process is said, too."""
        self.reactor.refuse = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.pool.startService()
        self.reactor.advance(0)
        error = str(self.failureResultOf(self.pool.when_ready(), ConfigError).value)
        self.assertIn("temporarily unavailable", error)

    def test_dies_after_it_was_ready(self) -> None:
        """Once a worker has been ready, its death means a new one, even while others still boot."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.reactor.started[0].report(WorkerReady())
        self.reactor.started[0].end(by=9)
        self.assertNoResult(when_ready)
        self.assertEqual([each.worker_config.slot for each in self.reactor.started], [1, 2, 1])

    def test_never_all_at_once(self) -> None:
        """Workers that die soon after they were ready, again and again: who waits for the boot is told."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        for _ in range(50):
            for each in self.reactor.running[:1]:
                each.report(WorkerReady())
                each.end(by=11)
            self.reactor.advance(0.2)
        self.assertEqual(self.pool.stats().state, "failed")
        self.assertIn("signal 11", str(self.failureResultOf(when_ready, ConfigError).value))

    def test_started_again(self) -> None:
        """After it has failed it can be started again, with the door open."""
        self.pool.startService()
        for each in list(self.reactor.started):
            each.end(code=3)
        self.failureResultOf(self.pool.when_ready(), ConfigError)
        self.reactor.started.clear()
        restarted = Deferred.fromCoroutine(self.pool.restart())
        self.assertEqual((self.pool.stats().state, self.listener.done), ("", ["open", "close", "open"]))
        for each in self.reactor.started:
            each.report(WorkerReady())
        self.successResultOf(restarted)
        self.assertEqual(self.pool.stats().problem, "")

    def test_told_to_end(self) -> None:
        """One that somebody else has told to end before it was ready is replaced; that is no failed boot."""
        self.pool.startService()
        self.reactor.started[0].report(WorkerDraining())
        self.assertEqual(len(self.reactor.started), 3)
        self.reactor.started[0].end()
        self.assertNoResult(self.pool.when_ready())
