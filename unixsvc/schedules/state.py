"""The state of one schedule: the ticks that wait, the run in progress, and the counters."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from unixsvc.schedules.moment import Moment
from unixsvc.schedules.spec import ScheduleSpec
from unixsvc.schedules.ticks import Ticks, make_ticks

__all__ = ["LastRun", "Run", "ScheduleState", "ScheduleStatus", "as_datetime"]

# The maximum number of ticks that wait, and that are counted after a stall.
_MAX_WAITING: Final = 1000
# How often the run of one tick is started, if the end of its worker interrupts it each time.
_MAX_ATTEMPTS: Final = 3


class Run(Struct, frozen=True):
    """One run of a job, for one tick.

    :ivar number: counts all runs of a service.
    :ivar schedule: the name of the schedule.
    :ivar due: the wall time of the tick, in seconds.
    :ivar attempt: 1, or more if earlier runs for this tick were interrupted.
    """

    number: int
    schedule: str
    due: float
    attempt: int = 1


class LastRun(Struct, frozen=True):
    """The last run that has ended.

    :ivar seconds: its duration.
    :ivar outcome: ``ok``, ``interrupted``, or the type of the exception.
    """

    started: datetime
    seconds: float
    outcome: str


class ScheduleStatus(Struct, frozen=True):
    """One schedule in the result of ``unixsvc status``.

    :ivar schedule: the times of its ticks, for people.
    :ivar next: the next tick; None if there is none, as while the service is stopped.
    :ivar running: how long the run in progress has taken, in seconds; None if there is none.
    :ivar waiting: the number of ticks that wait for a worker, or for an earlier run with ``catch_up``.
    :ivar runs: the number of runs that were started.
    :ivar failures: the number of runs that have raised an exception.
    :ivar interrupted: the number of runs that the end of their worker has interrupted.
    :ivar missed: the number of ticks for which no run was started.
    """

    name: str
    schedule: str
    next: datetime | None
    last: LastRun | None
    running: float | None
    waiting: int
    runs: int
    failures: int
    interrupted: int
    missed: int


class ScheduleState:
    """One schedule, in one service.

    :ivar run: the run in progress, from the moment when a worker is asked to start it; None without one.
    :ivar removed: whether the application does not have the schedule any more.
    """

    def __init__(self, spec: ScheduleSpec, now: Moment) -> None:
        self.spec = spec
        self.run: Run | None = None
        self.removed = False
        self._ticks: Ticks | None = make_ticks(spec, now)
        self._waiting: deque[tuple[float, int]] = deque()  # wall times with the number of the attempt
        self._started: Moment | None = None  # of the run in progress
        self._last: LastRun | None = None
        self._runs = self._failures = self._interrupted = self._missed = 0

    @property
    def can_start(self) -> bool:
        """Whether a tick waits for nothing but a worker."""
        return bool(self._waiting) and self.run is None and not self.removed

    def redefine(self, spec: ScheduleSpec, now: Moment) -> None:
        """Continue with a spec; an equal one keeps the rhythm.

        :raises ConfigError: if the spec can never work.
        """
        if self._ticks is None or spec != self.spec:
            self._ticks = make_ticks(spec, now)
        self.spec, self.removed = spec, False

    def stop(self) -> int:
        """Have no more ticks; those that wait are missed.

        :returns: their number.
        """
        self._ticks = None
        missed = self._miss(len(self._waiting))
        self._waiting.clear()
        return missed

    def advance(self, now: Moment) -> tuple[int, str]:
        """Take the ticks that are due.

        :returns: the number of ticks that are missed, and the reason.
        """
        if self._ticks is None:
            return 0, ""
        due, skipped = self._ticks.take(now, _MAX_WAITING)
        if not due:
            return 0, ""
        if self.spec.catch_up:
            self._waiting.extend((each, 1) for each in due)
            missed, reason = max(len(self._waiting) - _MAX_WAITING, 0), "too many wait"
            for _ in range(missed):
                self._waiting.popleft()
        elif self.run is not None:
            missed, reason = len(due), "the run before has not ended"
        else:
            reason = "no worker is ready" if self._waiting else "the orchestrator is late"
            # The latest tick takes the place of the one that waits. That of a repetition was started once.
            missed = len(due) - 1 + sum(attempt == 1 for _, attempt in self._waiting)
            self._waiting.clear()
            self._waiting.append((due[-1], 1))
        return self._miss(missed + skipped), reason

    def until_next(self, now: Moment) -> float | None:
        """The seconds until the next tick; None if there is none."""
        return None if self._ticks is None else self._ticks.until_next(now)

    def begin(self, number: int) -> Run:
        """Take the first tick that waits, for a worker that is asked to run the job."""
        due, attempt = self._waiting.popleft()
        self.run = Run(number, self.spec.name, due, attempt)
        self._started = None
        return self.run

    def started(self, now: Moment) -> None:
        """The job is about to be called."""
        self._started = now
        self._runs += 1

    def ended(self, now: Moment, error: str) -> None:
        """The job has returned.

        :param error: the type of its exception; empty if it has raised none.
        """
        self._failures += bool(error)
        self._end(now, error or "ok")

    def lost(self, now: Moment) -> bool:
        """The worker has ended, or drains and does not start the run.

        :returns: whether a run was interrupted; one that was not started waits again.
        """
        run = self.run
        if run is None:
            return False
        if self._started is None:
            self.run = None
            if self._ticks is None:
                self._miss(1)
            else:
                self._waiting.appendleft((run.due, run.attempt))
            return False
        self._interrupted += 1
        self._end(now, "interrupted")
        if self.spec.rerun and run.attempt < _MAX_ATTEMPTS and self._ticks is not None:
            self._waiting.appendleft((run.due, run.attempt + 1))
        return True

    @property
    def is_started(self) -> bool:
        """Whether the run in progress has begun."""
        return self._started is not None

    def status(self, now: Moment) -> ScheduleStatus:
        """The state, for people."""
        following = None if self._ticks is None else as_datetime(self._ticks.next_at())
        running = None if self._started is None else now.monotonic - self._started.monotonic
        return ScheduleStatus(
            self.spec.name,
            self.spec.text,
            following,
            self._last,
            running,
            len(self._waiting),
            self._runs,
            self._failures,
            self._interrupted,
            self._missed,
        )

    def _end(self, now: Moment, outcome: str) -> None:
        started = self._started or now
        began = as_datetime(started.wall) or datetime.fromtimestamp(0, UTC)
        self._last = LastRun(began, now.monotonic - started.monotonic, outcome)
        self.run = self._started = None

    def _miss(self, count: int) -> int:
        self._missed += count
        return count


def as_datetime(wall: float) -> datetime | None:
    """A wall time in seconds as a date; None if it is out of range."""
    try:
        return datetime.fromtimestamp(wall, UTC)
    except (OverflowError, ValueError, OSError):
        return None
