"""Schedules in a pool: which worker runs a job, and what happens when workers end."""

from __future__ import annotations

from typing import Any

from tests.unit.orchestrator.pool.fake_processes import FakeProcess
from tests.unit.orchestrator.pool.pool_harness import PoolTestCase
from unixsvc.orchestrator.worker.messages import (
    JobEnded,
    JobStarted,
    WorkerDraining,
    WorkerReady,
)
from unixsvc.schedules.spec import ScheduleSpec

_JOB = ScheduleSpec("job", interval=8.0)
_OTHER = ScheduleSpec("other", interval=8.0)


def runs(process: FakeProcess) -> list[dict[str, Any]]:
    """The runs that a worker was given."""
    return [each["run"] for each in process.sent_commands if each["type"] == "run"]


class PoolSchedulesTestCase(PoolTestCase):
    """Pools whose workers have schedules."""

    def run_with(self, *specs: ScheduleSpec) -> list[FakeProcess]:
        """Start the pool; its workers have these schedules."""
        self.pool.startService()
        for each in self.reactor.started:
            each.report(WorkerReady(specs))
        return list(self.reactor.started)

    def given(self) -> list[tuple[int, str, float]]:
        """The runs of all workers in their order: the index of the process, the schedule, and the tick."""
        found = [
            (run["number"], index, run["schedule"], run["due"] - 100.0)
            for index, process in enumerate(self.reactor.started)
            for run in runs(process)
        ]
        return [(index, schedule, due) for _, index, schedule, due in sorted(found)]

    def start_last(self, process: FakeProcess, *, end: bool = False) -> None:
        """Report that a worker has started its last run, and has ended it."""
        number = runs(process)[-1]["number"]
        process.report(JobStarted(number))
        if end:
            process.report(JobEnded(number))

    def status(self) -> Any:
        """The state of the first schedule."""
        return self.pool.stats().schedules[0]


class DispatchTests(PoolSchedulesTestCase):
    def test_once(self) -> None:
        """Each tick has one run in the service; the workers take turns."""
        workers = self.run_with(_JOB)
        for index in (0, 1, 0):
            self.live(8)
            self.start_last(workers[index], end=True)
        self.assertEqual(self.given(), [(0, "job", 8.0), (1, "job", 16.0), (0, "job", 24.0)])
        self.assertEqual((self.status().runs, self.status().missed), (3, 0))

    def test_least_loaded(self) -> None:
        """A run is given to the worker that runs the fewest jobs."""
        self.run_with(_JOB, _OTHER)
        self.live(8)
        self.assertEqual([index for index, _, _ in self.given()], [0, 1])

    def test_ended_runs(self) -> None:
        """A run that has ended is no load: a worker with another one gets nothing while one is idle."""
        workers = self.run_with(_OTHER, _JOB)
        self.live(8)
        self.start_last(workers[0])
        for _ in range(3):
            self.start_last(workers[1], end=True)
            self.live(8)
        self.assertEqual([index for index, schedule, _ in self.given() if schedule == "job"], [1] * 4)

    def test_starting(self) -> None:
        """The first tick is one interval after all workers are ready."""
        self.pool.startService()
        first, second = self.reactor.started
        first.report(WorkerReady((_JOB,)))
        self.live(8)
        self.assertEqual(self.pool.stats().schedules, ())
        second.report(WorkerReady((_JOB,)))
        self.live(8)
        self.assertEqual([due for _, _, due in self.given()], [16.0])

    def test_no_schedules(self) -> None:
        """Without schedules there is nothing in the status, and no further timer."""
        self.run_pool()
        self.assertEqual(self.pool.stats().schedules, ())
        self.assertLessEqual(len(self.reactor.getDelayedCalls()), 2)

    def test_wrong(self) -> None:
        """Schedules that this process cannot evaluate are logged, and change nothing else."""
        self.run_with(ScheduleSpec("job", cron="x"))
        self.assertEqual((self.pool.stats().schedules, self.phases()), ((), ["ready", "ready"]))


class DeathTests(PoolSchedulesTestCase):
    def test_not_started(self) -> None:
        """A run that a dead worker has not started is given to another one."""
        workers = self.run_with(_JOB)
        self.live(8)
        workers[0].end(by=9)
        self.assertEqual(self.given(), [(0, "job", 8.0), (1, "job", 8.0)])
        self.assertEqual((self.status().interrupted, self.status().missed), (0, 0))

    def test_started(self) -> None:
        """A run that it has started is interrupted."""
        workers = self.run_with(_JOB)
        self.live(8)
        self.start_last(workers[0])
        workers[0].end(by=9)
        self.assertEqual(self.given(), [(0, "job", 8.0)])
        self.assertEqual((self.status().interrupted, self.status().last.outcome), (1, "interrupted"))

    def test_ended(self) -> None:
        """A run that it has ended before is complete."""
        workers = self.run_with(_JOB)
        self.live(8)
        self.start_last(workers[0], end=True)
        workers[0].end(by=9)
        self.assertEqual((self.status().interrupted, self.status().last.outcome), (0, "ok"))

    def test_no_worker(self) -> None:
        """A tick without a worker waits for the next one that is ready."""
        workers = self.run_with(_JOB)
        for each in workers:
            each.end(by=9)
        self.reactor.advance(9)
        self.assertEqual((self.given(), self.status().waiting), ([], 1))
        self.last().report(WorkerReady((_JOB,)))
        self.assertEqual([due for _, _, due in self.given()], [8.0])

    def test_signal(self) -> None:
        """A worker that drains because of a signal keeps what it runs, and gets nothing new."""
        workers = self.run_with(_JOB, _OTHER)
        self.live(8)
        self.start_last(workers[0])
        for each in workers:
            each.report(WorkerDraining())
        self.assertEqual(self.given(), [(0, "job", 8.0), (1, "other", 8.0)])
        for each in self.started_after(*workers):
            each.report(WorkerReady((_JOB, _OTHER)))
        self.assertEqual(self.given()[2:], [(2, "other", 8.0)])
        workers[0].report(JobEnded(runs(workers[0])[0]["number"]))
        workers[0].end()
        self.assertEqual((self.status().last.outcome, self.status().interrupted), ("ok", 0))


class ReloadTests(PoolSchedulesTestCase):
    def replace(self, *specs: ScheduleSpec) -> list[FakeProcess]:
        """Reload, with new workers that have these schedules; the old ones close but do not end."""
        old = list(self.reactor.started)
        self.pool.reload(self.spec(2))
        for _ in old:
            self.last().report(WorkerReady(specs))
            self.close_drained()
        return self.started_after(*old)

    def test_unchanged(self) -> None:
        """An unchanged schedule keeps its rhythm; a run in an old worker goes on and is not overlapped."""
        old = self.run_with(_JOB)
        self.live(8)
        self.start_last(old[0])
        self.live(3)
        self.replace(_JOB)
        self.live(5)
        self.assertEqual((len(self.given()), self.status().missed), (1, 1))
        old[0].report(JobEnded(runs(old[0])[0]["number"]))
        old[0].end()
        self.live(8)
        self.assertEqual([due for _, _, due in self.given()], [8.0, 24.0])
        self.assertEqual(self.status().interrupted, 0)

    def test_changed(self) -> None:
        """When the reload is complete, the schedules of the new code count."""
        self.run_with(_JOB, _OTHER)
        self.live(4)
        self.replace(ScheduleSpec("job", interval=1.0))
        self.live(1)
        self.assertEqual([(schedule, due) for _, schedule, due in self.given()], [("job", 5.0)])
        self.assertEqual(len(self.pool.stats().schedules), 1)

    def test_rolled_back(self) -> None:
        """After a roll-back, those of the old code count."""
        self.run_with(_JOB)
        done = self.pool.reload(self.spec(2))
        self.last().report(WorkerReady((_OTHER,)))
        self.last().end(code=1)
        self.failureResultOf(done)
        self.assertEqual([each.name for each in self.pool.stats().schedules], ["job"])

    def test_no_worker(self) -> None:
        """A tick that waits while a reload goes on is given to the first new worker that is ready."""
        old = self.run_with(_JOB)
        self.pool.reload(self.spec(2))
        for each in old:
            each.end(by=9)
        self.reactor.advance(9)
        self.assertEqual(self.given(), [])
        self.last().report(WorkerReady((_JOB,)))
        self.assertEqual([due for _, _, due in self.given()], [8.0])

    def test_scale(self) -> None:
        """Another number of workers changes nothing about the rhythm."""
        self.run_with(_JOB)
        self.live(4)
        self.pool.scale(3)
        self.last().report(WorkerReady((_JOB,)))
        self.live(4)
        self.assertEqual([due for _, _, due in self.given()], [8.0])


class StopTests(PoolSchedulesTestCase):
    def test_stop(self) -> None:
        """A stopped service has no ticks; its counters go on after the next start."""
        workers = self.run_with(_JOB)
        self.live(8)
        self.start_last(workers[0], end=True)
        self.pool.stopService()
        for each in workers:
            each.end()
        self.reactor.advance(20)
        self.assertEqual((self.status().next, self.status().runs), (None, 1))
        self.pool.startService()
        for each in self.started_after(*workers):
            each.report(WorkerReady((_JOB,)))
        self.live(8)
        self.assertEqual([due for _, _, due in self.given()], [8.0, 36.0])

    def test_failed(self) -> None:
        """A service that has failed has no ticks."""
        self.run_with(_JOB)
        while not self.failures:
            for each in self.reactor.running:
                each.end(code=1)
            self.reactor.advance(0.5)
        self.assertEqual(self.status().next, None)
