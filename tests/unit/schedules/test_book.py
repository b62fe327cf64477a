"""The states of schedules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.schedules.book import ScheduleBook
from unixsvc.schedules.moment import Moment
from unixsvc.schedules.spec import ScheduleSpec
from unixsvc.schedules.state import Run, ScheduleStatus

_SPEC = ScheduleSpec("job", interval=10.0)
_CATCH_UP = ScheduleSpec("job", interval=10.0, catch_up=True)
_RERUN = ScheduleSpec("job", interval=10.0, rerun=True)


class BookTestCase(SynchronousTestCase):
    """A book whose workers a test plays."""

    def setUp(self) -> None:
        """Make a book."""
        self.book = ScheduleBook()
        self.seconds = 0.0

    def now(self) -> Moment:
        """The present."""
        return Moment(self.seconds, 1000.0 + self.seconds)

    def adopt(self, *specs: ScheduleSpec) -> None:
        """Use these schedules."""
        self.book.adopt(specs, self.now())

    def pass_to(self, seconds: float) -> list[str]:
        """Let time pass; the reasons for missed ticks."""
        self.seconds = seconds
        return [reason for _, _, reason in self.book.advance(self.now())]

    def given(self) -> list[Run]:
        """Ask workers to run each run that can start."""
        return [self.book.begin(state) for state in self.book.can_start()]

    def start(self) -> list[Run]:
        """Start each run that can start."""
        runs = self.given()
        for run in runs:
            self.book.started(run.number, self.now())
        return runs

    def end(self, runs: Iterable[Run], error: str = "") -> None:
        """End runs."""
        for run in runs:
            self.book.ended(run.number, self.now(), error)

    def status(self) -> ScheduleStatus:
        """The state of the first schedule."""
        return self.book.status(self.now())[0]

    def assertCounts(self, **counts: int) -> None:
        """The counters of the first schedule; those not named are 0."""
        status: Any = self.status()
        names = "waiting", "runs", "failures", "interrupted", "missed"
        self.assertEqual({name: getattr(status, name) for name in names if getattr(status, name)}, counts)


class RunTests(BookTestCase):
    def test_rhythm(self) -> None:
        """Each tick has one run, which has the time of the tick even if it starts late."""
        self.adopt(_SPEC)
        due = []
        for seconds in (9.0, 10.0, 24.0, 30.0):
            self.pass_to(seconds)
            runs = self.start()
            due += [run.due for run in runs]
            self.end(runs)
        self.assertEqual(due, [1010.0, 1020.0, 1030.0])
        self.assertCounts(runs=3)

    def test_failure(self) -> None:
        """A run that fails is counted; the last run shows its error and its duration."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        runs = self.start()
        self.seconds = 12.5
        self.assertEqual(self.status().running, 2.5)
        self.end(runs, "ValueError")
        self.assertCounts(runs=1, failures=1)
        last = self.status().last
        assert last is not None
        self.assertEqual((last.seconds, last.outcome), (2.5, "ValueError"))
        self.assertEqual(last.started, datetime.fromtimestamp(1010.0, UTC))
        self.assertEqual(self.status().next, datetime.fromtimestamp(1020.0, UTC))

    def test_unknown_runs(self) -> None:
        """Reports about runs that are not in progress change nothing."""
        self.adopt(_SPEC)
        self.book.started(7, self.now())
        self.book.ended(7, self.now(), "")
        self.assertEqual(self.book.lost([7], self.now()), [])
        self.assertCounts()


class MissedTests(BookTestCase):
    def test_overlap(self) -> None:
        """A tick that comes while the run of an earlier one has not ended is missed."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        runs = self.start()
        self.assertEqual(self.pass_to(30.0), ["the run before has not ended"])
        self.assertEqual(self.start(), [])
        self.end(runs)
        self.assertEqual(self.start(), [])
        self.assertCounts(runs=1, missed=2)
        self.pass_to(40.0)
        self.assertEqual([run.due for run in self.start()], [1040.0])

    def test_given_run(self) -> None:
        """A run that was sent to a worker and has not started yet counts as one that has not ended."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        self.given()
        self.pass_to(20.0)
        self.assertEqual(self.given(), [])
        self.assertCounts(missed=1)

    def test_no_worker(self) -> None:
        """A tick waits for a worker until the next one, which takes its place."""
        self.adopt(_SPEC)
        self.pass_to(15.0)
        self.assertCounts(waiting=1)
        self.assertEqual(self.pass_to(25.0), ["no worker is ready"])
        self.assertCounts(waiting=1, missed=1)
        self.assertEqual([run.due for run in self.start()], [1020.0])

    def test_stall(self) -> None:
        """Of the ticks of a stall the last one has a run."""
        self.adopt(_SPEC)
        self.assertEqual(self.pass_to(45.0), ["the orchestrator is late"])
        self.assertEqual([run.due for run in self.start()], [1040.0])
        self.assertCounts(runs=1, missed=3)

    def test_stop(self) -> None:
        """When the service stops, a tick that waits is missed; later ones do not exist."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        self.assertEqual(self.book.stop(), 1)
        self.pass_to(60.0)
        self.assertEqual(self.given(), [])
        self.assertCounts(missed=1)
        self.assertEqual(self.status().next, None)
        self.assertEqual(self.book.until_next(self.now()), None)

    def test_lost_while_stopping(self) -> None:
        """A run that was not started when its worker ends is missed if the service stops."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        runs = self.given()
        self.book.stop()
        self.book.lost([run.number for run in runs], self.now())
        self.assertCounts(missed=1)


class CatchUpTests(BookTestCase):
    def test_all(self) -> None:
        """With catch_up each tick has a run, one after the other, in order."""
        self.adopt(_CATCH_UP)
        self.pass_to(35.0)
        due = []
        while runs := self.start():
            self.assertEqual(len(runs), 1)
            due += [run.due for run in runs]
            self.end(runs)
        self.assertEqual(due, [1010.0, 1020.0, 1030.0])
        self.assertCounts(runs=3)

    def test_no_overlap(self) -> None:
        """A tick waits until the run of the one before has ended."""
        self.adopt(_CATCH_UP)
        self.pass_to(10.0)
        runs = self.start()
        self.pass_to(20.0)
        self.assertEqual(self.given(), [])
        self.end(runs)
        self.assertEqual([run.due for run in self.given()], [1020.0])

    def test_limit(self) -> None:
        """At most a thousand ticks wait; the oldest are missed."""
        self.adopt(_CATCH_UP)
        self.pass_to(10_500.0)
        self.assertCounts(waiting=1000, missed=50)
        self.assertEqual(self.pass_to(10_510.0), ["too many wait"])
        self.assertCounts(waiting=1000, missed=51)
        self.assertEqual(self.start()[0].due, 1520.0)


class DeathTests(BookTestCase):
    def lose(self, runs: Iterable[Run], *, started: bool = True) -> list[Run]:
        """End the worker of runs."""
        return self.book.lost([run.number for run in runs], self.now(), started=started)

    def test_not_started(self) -> None:
        """A run that was not started when its worker ends is given to another one."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        self.assertEqual(self.lose(self.given()), [])
        again = self.start()
        self.assertEqual([(run.due, run.attempt) for run in again], [(1010.0, 1)])
        self.assertCounts(runs=1)

    def test_drain(self) -> None:
        """A worker that drains goes on with what it has started."""
        self.adopt(_SPEC, ScheduleSpec("other", interval=10.0))
        self.pass_to(10.0)
        first, second = self.given()
        self.book.started(first.number, self.now())
        self.assertEqual(self.lose([first, second], started=False), [])
        self.assertEqual([run.schedule for run in self.given()], ["other"])
        self.end([first])
        self.assertCounts(runs=1)

    def test_interrupted(self) -> None:
        """A run that was started is interrupted: it is counted, and not repeated."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        runs = self.start()
        self.assertEqual(self.lose(runs), runs)
        self.assertEqual(self.given(), [])
        self.assertCounts(runs=1, interrupted=1)
        last = self.status().last
        self.assertEqual(last and last.outcome, "interrupted")

    def test_rerun(self) -> None:
        """With rerun it is repeated, at most twice."""
        self.adopt(_RERUN)
        self.pass_to(10.0)
        attempts = []
        while runs := self.start():
            attempts += [(run.due, run.attempt) for run in runs]
            self.lose(runs)
        self.assertEqual(attempts, [(1010.0, 1), (1010.0, 2), (1010.0, 3)])
        self.assertCounts(runs=3, interrupted=3)

    def test_rerun_waits(self) -> None:
        """A repetition that waits when the next tick comes is dropped, but its tick is not missed."""
        self.adopt(_RERUN)
        self.pass_to(10.0)
        self.lose(self.start())
        self.pass_to(20.0)
        self.assertEqual([(run.due, run.attempt) for run in self.start()], [(1020.0, 1)])
        self.assertCounts(runs=2, interrupted=1)


class AdoptTests(BookTestCase):
    def test_unchanged(self) -> None:
        """A schedule that a reload does not change keeps its rhythm, its counters and its run."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        runs = self.start()
        self.pass_to(17.0)
        self.adopt(_SPEC)
        self.pass_to(20.0)
        self.assertCounts(runs=1, missed=1)
        self.end(runs)
        self.pass_to(30.0)
        self.assertEqual([run.due for run in self.start()], [1030.0])

    def test_changed(self) -> None:
        """A changed one starts a new rhythm, and keeps its counters; it still does not overlap itself."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        runs = self.start()
        self.pass_to(17.0)
        self.adopt(ScheduleSpec("job", interval=2.0))
        self.pass_to(20.0)
        self.assertCounts(runs=1, missed=1)
        self.end(runs)
        self.pass_to(21.0)
        self.assertEqual([run.due for run in self.start()], [1021.0])

    def test_removed(self) -> None:
        """A removed one has no more ticks."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        self.adopt()
        self.pass_to(30.0)
        self.assertEqual((self.given(), self.book.status(self.now())), ([], ()))

    def test_comes_back(self) -> None:
        """One that was removed and comes back while its run goes on does not overlap itself."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        runs = self.start()
        self.adopt()
        self.assertEqual(self.book.status(self.now()), ())
        self.adopt(_SPEC)
        self.pass_to(20.0)
        self.assertEqual(self.given(), [])
        self.end(runs)
        self.assertCounts(runs=1, missed=1)

    def test_ends_after_removal(self) -> None:
        """When the run of a removed one has ended, nothing is left of it."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        runs = self.start()
        self.adopt()
        self.end(runs)
        self.adopt(_SPEC)
        self.assertCounts()

    def test_order(self) -> None:
        """They are shown in the order of the application."""
        other = ScheduleSpec("other", interval=10.0)
        self.adopt(_SPEC, other)
        self.adopt(other, _SPEC)
        self.assertEqual([each.name for each in self.book.status(self.now())], ["other", "job"])

    def test_restart(self) -> None:
        """After a stop, the next start begins a new rhythm; the counters go on."""
        self.adopt(_SPEC)
        self.pass_to(10.0)
        self.end(self.start())
        self.book.stop()
        self.pass_to(15.0)
        self.adopt(_SPEC)
        self.pass_to(25.0)
        self.assertEqual([run.due for run in self.start()], [1025.0])
        self.assertCounts(runs=2)

    def test_wrong(self) -> None:
        """If one of them can never work, all stay as they were."""
        self.adopt(_SPEC)
        self.assertRaises(
            ConfigError, self.adopt, ScheduleSpec("new", interval=1.0), ScheduleSpec("x", cron="x")
        )
        self.assertEqual([each.name for each in self.book.status(self.now())], ["job"])
