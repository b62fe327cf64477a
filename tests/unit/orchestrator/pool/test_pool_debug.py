"""Tests of debug sessions of a pool."""

from __future__ import annotations

from tests.unit.orchestrator.pool.fake_processes import FakeProcess
from tests.unit.orchestrator.pool.pool_harness import PoolTestCase
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import WorkerDraining, WorkerReady


class DebugTests(PoolTestCase):
    """A running pool of two workers of spec 1, whose debug session has spec 7."""

    def setUp(self) -> None:
        """Start the pool, and begin a session."""
        super().setUp()
        self.first, self.second = self.run_pool()
        self.done = self.pool.debug(self.spec(7, 1))
        self.debugged = self.last()

    def serve_alone(self) -> None:
        """Let the debugged worker be ready, and the others exit."""
        self.debugged.report(WorkerReady())
        self.close_drained()
        self.first.end()
        self.second.end()
        self.successResultOf(self.done)

    def assert_usual(self, generation: int = 1, slots: int = 2) -> list[FakeProcess]:
        """Only workers of the usual spec are started from now on; those that were."""
        expected = [(slot, generation) for slot in range(1, slots + 1)]
        self.assertEqual(self.slots_and_generations(), expected)
        usual = self.started_after(self.first, self.second, self.debugged)
        for each in usual:
            each.report(WorkerReady())
        self.assertEqual(self.pool.stats().state, "")
        return usual

    def test_begin(self) -> None:
        """The first slot serves until the debugged worker is ready; the session is ready when it is alone."""
        self.assertEqual(self.pool.stats().state, "debugging")
        self.assertEqual((self.first.commands, self.second.commands), ([], ["drain"]))
        self.debugged.report(WorkerReady())
        self.assertEqual(self.first.commands, ["drain"])
        self.assertNoResult(self.done)
        self.close_drained()
        self.successResultOf(self.done)
        self.assertEqual(len(self.reactor.started), 3)

    def test_end(self) -> None:
        """At the end of the session, its worker drains, and the usual number of workers is started."""
        self.serve_alone()
        self.pool.end_debug()
        self.assertEqual(self.debugged.commands, ["drain"])
        self.assertEqual(len(self.assert_usual()), 2)
        self.pool.end_debug()
        self.assertEqual(self.debugged.commands, ["drain"])

    def test_end_while_starting(self) -> None:
        """If the session ends before its worker is ready, that is terminated, and the old workers stay."""
        self.pool.end_debug()
        self.assertEqual(self.debugged.signals, ["TERM"])
        self.failureResultOf(self.done, ConfigError)
        self.assertEqual(self.first.commands, [])
        self.assert_usual()

    def test_scaled(self) -> None:
        """The number of workers is the one of before the session, not that of the spec."""
        self.make_pool()
        self.first, self.second = self.run_pool()
        self.pool.scale(3)
        self.last().report(WorkerReady())
        done = self.pool.debug(self.spec(7, 1))
        self.debugged = self.last()
        self.debugged.report(WorkerReady())
        self.pool.end_debug()
        self.failureResultOf(done, ConfigError)
        self.assertEqual(self.slots_and_generations(), [(1, 1), (2, 1), (3, 1)])

    def test_other_spec(self) -> None:
        """A spec that is set during the session is that of the workers after it."""
        self.serve_alone()
        self.pool.set_spec(self.spec(8, 3))
        self.assertEqual(self.slots_and_generations(), [(1, 7)])
        self.pool.end_debug()
        self.assert_usual(8, 3)

    def test_stop(self) -> None:
        """A stop ends the session; the next start has the usual workers."""
        self.serve_alone()
        stopped = self.pool.stopService()
        self.assertEqual((self.debugged.commands, self.pool.stats().state), (["drain"], "stopping"))
        self.debugged.report(WorkerDraining())
        self.debugged.end()
        self.successResultOf(stopped)
        self.pool.startService()
        self.assert_usual()

    def test_removed_path(self) -> None:
        """If the socket was bound again, the worker of the session listens elsewhere: the session ends."""
        self.serve_alone()
        self.listener.remove()
        self.pool.check_paths()
        self.assertEqual(self.debugged.commands, ["drain"])
        self.assert_usual()

    def test_not_replaced(self) -> None:
        """While an old worker ends and the debugged one still starts, no second one is started."""
        self.first.end()
        self.second.end()
        self.live(5)
        self.assertEqual(len(self.reactor.started), 3)
