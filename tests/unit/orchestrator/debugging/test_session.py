"""Tests of debug sessions, with a pool of fake processes."""

from __future__ import annotations

import contextlib
import os

from twisted.internet.defer import Deferred

from tests.unit.orchestrator.pool.pool_harness import PoolTestCase
from unixsvc.orchestrator.debugging.session import DebugEvent, DebugSession
from unixsvc.orchestrator.worker.messages import WorkerDraining, WorkerFailed, WorkerReady


class SessionTests(PoolTestCase):
    """A session of a running pool; its worker is ready when a test says so."""

    def setUp(self) -> None:
        """Start the pool, and begin a session."""
        super().setUp()
        self.usual = self.run_pool()
        self.terminal = os.open(os.devnull, os.O_RDWR)
        self.session = DebugSession(self.terminal)
        self.session.begin(self.pool, self.spec(7, 1))
        self.worker = self.last()
        self.assertEqual(self.event(), DebugEvent("starting"))

    def event(self) -> DebugEvent:
        """The next event."""
        return self.successResultOf(self.session.next_event())

    def serve_alone(self) -> None:
        """Let its worker be ready, and the others exit."""
        self.worker.report(WorkerReady())
        for each in self.usual:
            each.end()
        self.assertEqual(self.event(), DebugEvent("ready", self.worker.pid))

    def assert_over(self) -> None:
        """The usual workers run, and the terminal is closed."""
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])
        with contextlib.suppress(OSError):  # or another file has its number
            self.assertNotEqual(os.readlink(f"/proc/self/fd/{self.terminal}"), os.devnull)

    def test_signal(self) -> None:
        """When the worker drains by itself, as at Ctrl-C, the usual ones start; it keeps its terminal."""
        self.serve_alone()
        self.worker.report(WorkerDraining())
        self.assertEqual(self.event(), DebugEvent("draining", self.worker.pid))
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1)])
        os.fstat(self.terminal)
        self.worker.end()
        self.assertEqual(self.event(), DebugEvent("ended"))
        self.assert_over()

    def test_close(self) -> None:
        """When the caller has gone, the worker is drained; the terminal is closed when it has exited."""
        self.serve_alone()
        self.session.close()
        self.assertEqual(self.worker.commands, ["drain"])
        self.worker.end()
        self.assertEqual(self.event(), DebugEvent("ended"))
        self.session.close()
        self.assert_over()

    def test_crash(self) -> None:
        """A worker that dies ends the session, which says how; no other one gets the terminal."""
        self.serve_alone()
        self.worker.end(by=11)
        self.assertEqual(self.event(), DebugEvent("ended", problem="a worker was killed by signal 11"))
        self.assert_over()

    def test_cannot_start(self) -> None:
        """A worker that cannot start ends the session with the reason; the old ones stay."""
        self.worker.report(WorkerFailed("no module shop"))
        self.worker.end(3)
        self.assertEqual(self.event(), DebugEvent("ended", problem="no module shop"))
        self.assertEqual(self.usual[0].commands, [])
        self.assert_over()

    def test_stop(self) -> None:
        """If the service is stopped, the session ends with its worker."""
        self.serve_alone()
        self.pool.stopService()
        self.worker.report(WorkerDraining())
        self.worker.end()
        self.assertEqual([self.event().state, self.event().state], ["draining", "ended"])

    def test_refused_start(self) -> None:
        """If the kernel starts no process at present, the caller may give up."""
        self.worker.end(by=9)
        self.event()
        for each in self.reactor.running:
            each.report(WorkerReady())
        self.reactor.refuse = OSError(11, "try again")
        descriptor = os.open(os.devnull, os.O_RDWR)
        session = DebugSession(descriptor)
        session.begin(self.pool, self.spec(8, 1))
        self.assertEqual(self.successResultOf(session.next_event()), DebugEvent("starting"))
        waiting: Deferred[DebugEvent] = session.next_event()
        session.close()
        self.assertEqual(self.successResultOf(waiting).state, "ended")
        self.assertRaises(OSError, os.fstat, descriptor)
