"""The path of a pool's socket is removed while its workers run."""

from __future__ import annotations

import errno

from tests.unit.orchestrator.pool.fake_processes import FakeProcess
from tests.unit.orchestrator.pool.pool_harness import PoolTestCase, generation_of
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.messages import COUNTS_FD, LISTENING_FD, WorkerDraining, WorkerReady


class RemovedPathTests(PoolTestCase):
    """A pool of two workers whose path was removed."""

    def setUp(self) -> None:
        """Start the pool and remove the path."""
        super().setUp()
        self.first, self.second = self.run_pool()
        self.listener.remove()

    def listening(self, process: FakeProcess) -> object:
        """The listening socket of a worker."""
        return process.arguments["childFDs"][LISTENING_FD]

    def end(self, process: FakeProcess) -> None:
        """Let a worker that drains exit."""
        self.assertEqual(process.commands[-1], "drain")
        process.report(WorkerDraining())
        process.end()

    def test_replaced(self) -> None:
        """Workers with the new socket replace the others one at a time, each before the other drains."""
        self.pool.check_paths()
        third = self.last()
        self.assertEqual((len(self.reactor.started), self.listening(third)), (3, 8))
        self.assertEqual((self.first.commands, self.second.commands), ([], []))
        third.report(WorkerReady())
        self.live(0.125)
        self.end(self.first)
        fourth = self.last()
        self.assertEqual((len(self.reactor.started), self.listening(fourth)), (4, 8))
        fourth.report(WorkerReady())
        self.live(0.125)
        self.end(self.second)
        self.live(5)
        self.assertEqual((len(self.reactor.started), self.pool.stats().problem), (4, ""))

    def test_pages(self) -> None:
        """Workers with different sockets do not share a page of counts: they have no clients in common."""
        self.pool.check_paths()
        old, new = self.counts_pages
        self.assertEqual((old.taken, new.taken), ({1, 2}, {1}))
        self.assertEqual(self.last().arguments["childFDs"][COUNTS_FD], 8)
        for process in self.first, self.second:
            self.last().report(WorkerReady())
            self.live(0.125)
            self.assertFalse(old.closed)
            self.end(process)
        self.assertEqual((old.closed, new.closed, new.taken), (True, False, {1, 2}))

    def test_nothing_removed(self) -> None:
        """If no path was removed, nothing happens; nor is it done twice."""
        self.pool.check_paths()
        for _ in range(3):
            self.pool.check_paths()
        self.assertEqual(len(self.reactor.started), 3)

    def test_cannot_bind(self) -> None:
        """If the path cannot be bound, the workers stay."""
        self.listener.problem = "it is locked"
        self.assertRaises(ConfigError, self.pool.check_paths)
        self.live(2)
        self.assertEqual((len(self.reactor.started), self.phases()), (2, ["ready", "ready"]))

    def test_starting(self) -> None:
        """A worker that still starts would listen elsewhere, and is replaced too; that is no failure."""
        self.make_pool()
        self.pool.startService()
        when_ready = self.pool.when_ready()
        before = list(self.reactor.started)
        self.listener.remove()
        self.pool.check_paths()
        self.assertEqual([each.signals for each in before], [["TERM"], ["TERM"]])
        for each in before:
            each.end(code=0)
        for each in self.started_after(*before):
            self.assertEqual(self.listening(each), 8)
            each.report(WorkerReady())
        self.successResultOf(when_ready)

    def test_reload_meanwhile(self) -> None:
        """A reload needs no path; its workers have the socket that is open."""
        self.listener.problem = "it is locked"
        done = self.pool.reload(self.spec(2))
        self.assertEqual((self.listening(self.last()), generation_of(self.last())), (7, 2))
        self.assertNoResult(done)

    def test_dies_early(self) -> None:
        """A new worker that dies is replaced; the old one serves its clients meanwhile."""
        self.pool.check_paths()
        self.last().end(code=3)
        self.live(1)
        self.assertEqual((self.first.commands.count("drain"), self.listening(self.last())), (0, 8))
        self.assertEqual(len(self.reactor.started), 4)

    def test_refused_meanwhile(self) -> None:
        """A page on which no worker counts is closed."""
        self.pool.stopService()
        for process in self.first, self.second:
            self.end(process)
        self.reactor.refuse = OSError(errno.EMFILE, "Too many open files")
        self.pool.startService()
        self.live(1)
        page = self.counts_pages[-1]
        self.listener.remove()
        self.pool.check_paths()
        self.assertTrue(page.closed)

    def test_stopped(self) -> None:
        """Nothing is bound for a service that is stopped."""
        self.pool.stopService()
        self.pool.check_paths()
        self.assertFalse(self.listener.is_open)
