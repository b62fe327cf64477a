"""The ticks of a schedule: the times at which its job should run."""

from __future__ import annotations

import math
from typing import Protocol

from unixsvc.schedules.moment import ROUNDING, Moment
from unixsvc.schedules.spec import ScheduleSpec

__all__ = ["EveryTicks", "Ticks", "make_ticks"]


class Ticks(Protocol):
    """The ticks of a schedule, which are taken one after the other."""

    def take(self, now: Moment, limit: int) -> tuple[list[float], int]:
        """Take the ticks that are due.

        :param limit: the maximum number of ticks to return.
        :returns: the wall times of ticks, and the number of earlier ones that exceed the limit.
        """

    def next_at(self) -> float:
        """The wall time of the next tick; infinity if there is none."""

    def until_next(self, now: Moment) -> float:
        """The seconds until the next tick."""


class EveryTicks:
    """Ticks at an interval, aligned to a start: they do not drift. The first is one interval after it."""

    def __init__(self, interval: float, start: Moment) -> None:
        self._interval = interval
        self._start = start
        self._next = 1  # the number of the next tick

    def take(self, now: Moment, limit: int) -> tuple[list[float], int]:
        """Take the ticks that are due."""
        elapsed = now.monotonic - self._start.monotonic
        last = math.floor((elapsed + ROUNDING) / self._interval)
        first = max(self._next, last - limit + 1)
        skipped = max(first - self._next, 0)
        due = [self._start.wall + number * self._interval for number in range(first, last + 1)]
        self._next = max(self._next, last + 1)
        return due, skipped

    def next_at(self) -> float:
        """The wall time of the next tick, if the clock of the machine has not been set since the start."""
        return self._start.wall + self._next * self._interval

    def until_next(self, now: Moment) -> float:
        """The seconds until the next tick."""
        return self._start.monotonic + self._next * self._interval - now.monotonic


def make_ticks(spec: ScheduleSpec, start: Moment) -> Ticks:
    """Make the ticks of a schedule.

    :raises ConfigError: if the spec can never work, as it may come from another process.
    """
    if not spec.cron:
        return EveryTicks(max(spec.interval, 0.001), start)
    from unixsvc.schedules.cron_ticks import CronTicks, check_cron  # late, as in cron()

    check_cron(spec.cron, spec.timezone, f"schedule {spec.name!r}")
    return CronTicks(spec.cron, spec.timezone, start)
