"""Tests of the record of a worker."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.orchestrator.pool.fake_processes import FakeProcess, Processes, config_for
from tests.unit.orchestrator.pool.pool_harness import spec_for
from tests.unit.orchestrator.pool.test_process import Owner
from unixsvc.orchestrator.pool.model import Recycling, SupervisionPolicy, WorkerPhase
from unixsvc.orchestrator.pool.policy import reason_to_recycle
from unixsvc.orchestrator.pool.process import InheritedFds, WorkerProcess
from unixsvc.orchestrator.pool.worker_record import WorkerRecord
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.metrics.page import MetricsPage


def reason(limits: Recycling, requests: int = 0, memory: int = 0, age: float = 0, jitter: float = 0.0) -> str:
    """The reason to recycle a worker."""
    return reason_to_recycle(limits, requests, memory, age, jitter)


class RecyclingTests(SynchronousTestCase):
    """The reasons to recycle a worker."""

    def test_never(self) -> None:
        """Without limits there is no reason."""
        self.assertEqual(reason(Recycling(), 10**9, 10**12, 1e9), "")

    def test_each(self) -> None:
        """Each limit counts alone, and the reason names it with the usage."""
        self.assertEqual(reason(Recycling(max_requests=100), 99), "")
        self.assertEqual(reason(Recycling(max_requests=100), 100), "max_requests is 100, and it has 100")
        self.assertEqual(reason(Recycling(max_memory=1000), memory=999), "")
        self.assertIn("max_memory is 1000", reason(Recycling(max_memory=1000), memory=1001))
        self.assertEqual(reason(Recycling(max_age=60), age=59.9), "")
        self.assertIn("max_age is 60", reason(Recycling(max_age=60), age=60))

    def test_jitter(self) -> None:
        """A limit is up to a tenth higher, so that not all workers are recycled at once."""
        limits = Recycling(max_requests=1000)
        self.assertEqual(reason(limits, 1049, jitter=0.5), "")
        self.assertNotEqual(reason(limits, 1050, jitter=0.5), "")
        self.assertEqual(reason(limits, 1099, jitter=1.0), "")
        self.assertNotEqual(reason(limits, 1100, jitter=1.0), "")


class WorkerRecordTests(SynchronousTestCase):
    """The record of one worker."""

    def setUp(self) -> None:
        """Make a record of a worker that was started at 100."""
        self.reactor = Processes()
        self.spec = spec_for(self.reactor, 3, recycling=Recycling(max_requests=10))
        self.page = MetricsPage()
        self.addCleanup(self.page.close)
        fds = InheritedFds((7,), 8, 1, 9, self.page.fileno())
        process = WorkerProcess(self.reactor, config_for(2), fds, Owner())
        process.start()
        self.process: FakeProcess = self.reactor.started[0]
        self.record = WorkerRecord(5, process, self.spec, self.page, now=100, jitter=0.0)
        self.count = self.process.count

    def test_view(self) -> None:
        """The policy sees its phase, and the policy that it was started with."""
        view = self.record.view(self.spec)
        self.assertEqual((view.number, view.slot, view.phase), (5, 2, WorkerPhase.STARTING))
        self.assertEqual((view.since, view.last_seen, view.ready_at), (100, 100, None))
        self.assertEqual((view.policy, view.outdated, view.retiring), (self.spec.policy, False, False))

    def test_ready(self) -> None:
        """A worker that becomes ready counts as seen."""
        self.record.enter(WorkerPhase.READY, 104)
        view = self.record.view(self.spec)
        self.assertEqual((view.since, view.last_seen, view.ready_at), (104, 104, 104))
        self.record.enter(WorkerPhase.DRAINING, 110)
        view = self.record.view(self.spec)
        self.assertEqual((view.since, view.last_seen, view.ready_at), (110, 104, 104))

    def test_outdated(self) -> None:
        """It is outdated if another spec is wanted; it keeps its own policy."""
        other = spec_for(
            self.reactor, 4, policy=SupervisionPolicy(boot_timeout=1, drain_timeout=1, kill_timeout=1)
        )
        view = self.record.view(other)
        self.assertTrue(view.outdated)
        self.assertEqual(view.policy, self.spec.policy)

    def test_exit_reason(self) -> None:
        """Why it has ended is one word, for the figures."""
        other = spec_for(self.reactor, 4)
        self.assertEqual(self.record.exit_reason(self.spec), "start")
        self.record.enter(WorkerPhase.READY, 101)
        self.assertEqual(self.record.exit_reason(self.spec), "crash")
        self.record.retiring = True
        self.assertEqual(self.record.exit_reason(self.spec), "stop")
        self.assertEqual(self.record.exit_reason(other), "reload")
        self.record.recycle_reason = "max_age"
        self.assertEqual(self.record.exit_reason(self.spec), "recycled")
        self.record.kill_reason = "watchdog"
        self.assertEqual(self.record.exit_reason(self.spec), "watchdog")

    def test_check_recycling(self) -> None:
        """It is outdated when it has reached a limit; that is found once, and only while it is ready."""
        self.count(10)
        self.assertFalse(self.record.check_recycling(101))
        self.record.enter(WorkerPhase.READY, 101)
        self.assertTrue(self.record.check_recycling(102))
        self.assertTrue(self.record.view(self.spec).outdated)
        self.assertFalse(self.record.check_recycling(103))

    def test_stats(self) -> None:
        """Its snapshot has its process, phase, age, report and generation."""
        self.record.enter(WorkerPhase.READY, 101)
        self.count(3)
        self.process.report(StatsReport(connections=2))
        stats = self.record.stats(107.5)
        self.assertEqual((stats.pid, stats.phase, stats.uptime), (self.process.pid, "ready", 7.5))
        self.assertEqual((stats.metrics.all.requests, stats.status.connections), (3, 2))
        self.assertEqual(stats.generation, 3)
