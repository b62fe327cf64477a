"""Gives the runs of schedules to workers when they are due."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from unixsvc.errors import ConfigError
from unixsvc.schedules.book import ScheduleBook
from unixsvc.schedules.moment import Moment
from unixsvc.schedules.spec import ScheduleSpec
from unixsvc.schedules.state import Run, ScheduleStatus, as_datetime
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["FindWorker", "Scheduler", "current_moment"]

# Maximum time until the clock is read again, in seconds: it may be set meanwhile.
_MAX_WAIT: Final = 60.0

# Called with the name of a schedule that is due: the function that gives a run to a worker; None if no worker
# can run it now.
FindWorker = Callable[[str], Callable[[Run], object] | None]


def current_moment() -> Moment:
    """The time on the clocks of this machine."""
    return Moment(time.monotonic(), time.time())


class Scheduler:
    """The schedules of one service. Without schedules it has no timer and does nothing.

    :param service: the name of the service, for the log.
    :param now: the clocks.
    """

    def __init__(
        self,
        service: str,
        reactor: IReactorTime,
        find_worker: FindWorker,
        now: Callable[[], Moment] = current_moment,
    ) -> None:
        self._reactor = reactor
        self._find_worker = find_worker
        self._now = now
        self._log = LimitedLogger(service)
        self._book = ScheduleBook()
        self._timer: IDelayedCall | None = None
        self._dispatching = False

    def adopt(self, specs: Sequence[ScheduleSpec]) -> None:
        """Use these schedules from now on; those that are unchanged keep their rhythm."""
        try:
            self._book.adopt(specs, self._now())
        except ConfigError as error:
            message = "its schedules are not used: {error}"
            self._log.emit("error", "schedules that are not used", message, error=str(error))
        self.dispatch()

    def stop(self) -> None:
        """Have no more ticks; runs in progress go on."""
        if missed := self._book.stop():
            message = "ticks missed as the service stops: {count}"
            self._log.emit("warn", "ticks missed as the service stops", message, count=missed)
        self._set_timer(None)

    def dispatch(self) -> None:
        """Start what is due, as far as workers are ready."""
        wait = self._book.until_next(self._now())
        if wait is None or self._dispatching:
            return
        self._dispatching = True  # a job may end while it is started
        try:
            for name, count, reason in self._book.advance(self._now()):
                message = "schedule {schedule}: ticks missed: {count} ({reason})"
                self._log.emit("warn", reason, message, schedule=name, count=count, reason=reason)
            while self._start_runs():
                pass
        finally:
            self._dispatching = False
            self._set_timer(self._book.until_next(self._now()))

    def started(self, number: int) -> None:
        """A worker is about to call the job of a run."""
        self._book.started(number, self._now())

    def ended(self, number: int, error: str) -> None:
        """The job of a run has returned.

        :param error: the type of its exception; empty if it has raised none.
        """
        self._book.ended(number, self._now(), error)
        self.dispatch()

    def lost(self, numbers: Collection[int], *, started: bool = True) -> None:
        """A worker has ended with runs, or drains; see :meth:`ScheduleBook.lost`."""
        for run in self._book.lost(numbers, self._now(), started=started):
            message = "schedule {schedule}: the run for {tick} was interrupted by the end of its worker"
            tick = _text(run.due)
            self._log.emit("warn", "a run was interrupted", message, schedule=run.schedule, tick=tick)
        self.dispatch()

    def status(self) -> tuple[ScheduleStatus, ...]:
        """The state of each schedule."""
        return self._book.status(self._now())

    def _start_runs(self) -> bool:
        """Start a run of each schedule that is due.

        :returns: whether there was one that a worker could run.
        """
        any_started = False
        for state in self._book.can_start():
            give = self._find_worker(state.spec.name)
            if give is not None:
                any_started = True
                give(self._book.begin(state))
        return any_started

    def _set_timer(self, wait: float | None) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        if wait is not None:
            self._timer = self._reactor.callLater(min(max(wait, 0.0), _MAX_WAIT), self.dispatch)


def _text(wall: float) -> str:
    """A wall time for the log."""
    date = as_datetime(wall)
    return f"{wall:g}" if date is None else date.isoformat()
