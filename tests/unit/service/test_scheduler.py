"""The timer that gives runs to workers."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.schedules.moment import Moment
from unixsvc.schedules.spec import ScheduleSpec
from unixsvc.schedules.state import Run
from unixsvc.service.scheduler import Scheduler

_DAY = 86_400.0
_NIGHTLY = ScheduleSpec("nightly", cron="0 3 * * *")


class SchedulerTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a scheduler with a worker that may not be ready."""
        self.reactor = Clock()
        self.ready = True
        self.runs: list[Run] = []
        self.clock_error = 0.0
        self.scheduler = Scheduler("home", self.reactor, self.find_worker, self.now)

    def now(self) -> Moment:
        """The time; the clock of the machine may have been set."""
        seconds = self.reactor.seconds()
        return Moment(seconds, seconds + self.clock_error)

    def find_worker(self, schedule: str) -> Callable[[Run], object] | None:
        """The worker."""
        return self.runs.append if self.ready else None

    def timers(self) -> int:
        """The number of timers."""
        return len(self.reactor.getDelayedCalls())

    def test_no_schedules(self) -> None:
        """Without schedules there is no timer."""
        self.scheduler.adopt([])
        self.scheduler.dispatch()
        self.assertEqual((self.timers(), self.scheduler.status()), (0, ()))

    def test_one_timer(self) -> None:
        """Whatever happens, there is one timer; after a stop there is none."""
        self.scheduler.adopt([_NIGHTLY, ScheduleSpec("often", interval=5.0)])
        for _ in range(5):
            self.scheduler.dispatch()
            self.reactor.advance(5)
            self.assertEqual(self.timers(), 1)
        self.scheduler.stop()
        self.assertEqual(self.timers(), 0)

    def test_clock_is_set(self) -> None:
        """When the clock of the machine is set, a cron expression follows within a minute."""
        self.scheduler.adopt([_NIGHTLY])
        self.clock_error = 3 * 3600.0
        self.reactor.pump([30, 30])
        self.assertEqual([run.due for run in self.runs], [3 * 3600.0])

    def test_worker_is_ready_later(self) -> None:
        """A tick that waits is started when a worker is there."""
        self.ready = False
        self.scheduler.adopt([_NIGHTLY])
        self.reactor.advance(4 * 3600)
        self.assertEqual(self.runs, [])
        self.ready = True
        self.scheduler.dispatch()
        self.assertEqual([run.due for run in self.runs], [3 * 3600.0])

    def test_error(self) -> None:
        """An error of what starts a run does not end the schedule."""

        def find_worker(schedule: str) -> None:
            raise OSError("no descriptors")

        scheduler = Scheduler("home", self.reactor, find_worker, self.now)
        scheduler.adopt([ScheduleSpec("often", interval=5.0)])
        self.assertRaises(OSError, self.reactor.advance, 5)
        self.assertEqual(scheduler.status()[0].waiting, 1)
        self.assertEqual(self.timers(), 1)
