"""The figures of services and workers."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.counted import replies
from unixsvc.orchestrator.figures import process_figures, service_figures
from unixsvc.orchestrator.status import PoolSnapshot, WorkerSnapshot
from unixsvc.service.spec import StatsReport


class FiguresTests(SynchronousTestCase):
    """Figures."""

    def test_service(self) -> None:
        """Replies of all workers count, also of those that have ended; each worker has its own."""
        report = StatsReport(connections=2, inflight=1, lag=0.25)
        one = WorkerSnapshot(os.getpid(), "ready", 9.0, report, replies(3), 4, 1)
        two = WorkerSnapshot(None, "draining", 1.0, StatsReport(), replies(2, 500), 5, 2)
        stats = PoolSnapshot([one, two], ended=replies(4, route="GET /x"), exits={"crash": 1})
        found = service_figures(stats, stopping=False)
        self.assertEqual((found.status, found.exits), ("ready", {"crash": 1}))
        self.assertEqual(found.metrics.all.codes, {200: 7, 500: 2})
        self.assertEqual(list(found.metrics.series), ["GET /x", "GET /"])
        first, second = found.workers
        self.assertEqual((first.slot, first.generation, first.connections, first.inflight), (1, 4, 2, 1))
        self.assertEqual((first.requests, first.errors, first.lag), (3, 0, 0.25))
        self.assertEqual((second.requests, second.errors, second.process), (2, 2, None))
        self.assertEqual(service_figures(stats, stopping=True).status, "stopping")

    def test_process(self) -> None:
        """The kernel knows memory, CPU time and descriptors of a process."""
        before = process_figures(os.getpid())
        files = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
        after = process_figures(os.getpid())
        for each in files:
            os.close(each)
        if before is None or after is None:
            self.fail("no figures")
        self.assertEqual(after.descriptors - before.descriptors, 3)
        self.assertGreater(before.resident, before.shared)
        self.assertGreater(after.cpu, 0.0)
        self.assertGreaterEqual(after.cpu, before.cpu)

    def test_ended(self) -> None:
        """A process that does not exist has none."""
        self.assertIsNone(process_figures(2**22 + 1))
