"""Tests of the start of a pool."""

from __future__ import annotations

import errno

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from tests.unit.orchestrator.pool.pool_harness import POLICY, PoolTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.pool.interfaces import IServicePool
from unixsvc.orchestrator.worker.messages import (
    COUNTS_FD,
    LISTENING_FD,
    WorkerDraining,
    WorkerFailed,
    WorkerReady,
)


class StartTests(PoolTestCase):
    """Starts that succeed."""

    def test_interface(self) -> None:
        """A pool provides the interface of pools."""
        verifyObject(IServicePool, self.pool)

    def test_bind(self) -> None:
        """Binding opens the listener and starts no worker."""
        self.pool.bind()
        self.assertEqual((self.listener.done, self.reactor.started), (["open"], []))
        self.assertEqual(self.pool.stats().state, "waiting")

    def test_starts_all(self) -> None:
        """Each slot gets a worker with its slot number and the listening socket."""
        self.pool.startService()
        self.assertEqual([each.worker_config.slot for each in self.reactor.started], [1, 2])
        self.assertEqual({each.arguments["childFDs"][LISTENING_FD] for each in self.reactor.started}, {7})
        self.assertEqual(self.phases(), ["starting", "starting"])
        self.assertEqual((self.listener.done, self.pool.stats().state), (["open"], ""))

    def test_counts_slots(self) -> None:
        """Each worker has a slot of its own on the shared page of connection counts."""
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

    def test_when_ready(self) -> None:
        """The pool is ready when its last worker is ready."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.reactor.started[1].report(WorkerReady())
        self.assertNoResult(when_ready)
        self.reactor.started[0].report(WorkerReady())
        self.successResultOf(when_ready)
        self.successResultOf(self.pool.when_ready())

    def test_ready_twice(self) -> None:
        """A worker that reports twice that it is ready counts once."""
        self.pool.startService()
        for _ in range(2):
            self.reactor.started[0].report(WorkerReady())
        self.assertNoResult(self.pool.when_ready())


class CannotStartTests(PoolTestCase):
    """Starts that fail."""

    def test_says_why(self) -> None:
        """The reason that a worker reports is the reason of the failure; it is not started again."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.reactor.started[0].report(WorkerFailed("there is no module 'shop'"))
        self.reactor.started[0].end(code=3)
        error = self.failureResultOf(when_ready, ConfigError).value
        self.assertIn("services.home", str(error))
        self.assertIn("there is no module 'shop'", str(error))
        self.assertEqual(len(self.reactor.started), 2)

    def test_state(self) -> None:
        """The state is "failed"; only callers that wait for the start get the error."""
        self.pool.startService()
        self.reactor.started[0].report(WorkerFailed("no disk"))
        self.reactor.started[0].end(code=3)
        self.assertEqual((self.pool.stats().state, self.pool.stats().problem), ("failed", "no disk"))
        self.assertEqual(self.failures, [])
        self.failureResultOf(self.pool.when_ready(), ConfigError)

    def test_others_end(self) -> None:
        """The other workers are terminated and the listener is closed."""
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
        """The exit status is the reason if a worker reports none."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.reactor.started[0].end(by=11)
        self.assertIn("signal 11", str(self.failureResultOf(when_ready, ConfigError).value))

    def test_hangs(self) -> None:
        """A worker that is not ready within the boot timeout is killed; that is the reason."""
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
        """The error of the kernel is the reason if it refuses a process."""
        self.reactor.refuse = OSError(errno.ENOENT, "No such file or directory")
        self.pool.startService()
        self.reactor.advance(0)
        error = str(self.failureResultOf(self.pool.when_ready(), ConfigError).value)
        self.assertIn("No such file or directory", error)

    def test_lack_of_resources(self) -> None:
        """The start waits while the kernel lacks the resources for a process."""
        self.reactor.refuse = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.pool.startService()
        self.live(20)
        when_ready = self.pool.when_ready()
        self.assertNoResult(when_ready)
        self.reactor.refuse = None
        self.live(1)
        for each in self.reactor.started:
            each.report(WorkerReady())
        self.successResultOf(when_ready)

    def test_stopped_meanwhile(self) -> None:
        """While it waits for that, it can be stopped."""
        self.reactor.refuse = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.live(2)
        self.successResultOf(self.pool.stopService())
        self.failureResultOf(when_ready, ConfigError)
        self.live(2)
        self.assertEqual((self.reactor.started, self.reactor.getDelayedCalls()), ([], []))

    def test_dies_after_it_was_ready(self) -> None:
        """A worker that dies after it was ready is replaced, even while others still start."""
        self.pool.startService()
        when_ready = self.pool.when_ready()
        self.reactor.started[0].report(WorkerReady())
        self.reactor.started[0].end(by=9)
        self.assertNoResult(when_ready)
        self.assertEqual([each.worker_config.slot for each in self.reactor.started], [1, 2, 1])

    def test_never_all_at_once(self) -> None:
        """Workers that die again and again soon after they were ready make the start fail."""
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
        """A pool that has failed can be started again, with an open listener."""
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

    def test_signalled(self) -> None:
        """A worker that is signalled before it is ready is replaced and does not make the start fail."""
        self.pool.startService()
        self.reactor.started[0].report(WorkerDraining())
        self.assertEqual(len(self.reactor.started), 3)
        self.reactor.started[0].end()
        self.assertNoResult(self.pool.when_ready())
