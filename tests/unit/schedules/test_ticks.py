"""The ticks of schedules."""

from __future__ import annotations

import math
from datetime import datetime
from zoneinfo import ZoneInfo

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.schedules.cron_ticks import CronTicks
from unixsvc.schedules.moment import Moment
from unixsvc.schedules.spec import ScheduleSpec
from unixsvc.schedules.ticks import EveryTicks, make_ticks

_BERLIN = ZoneInfo("Europe/Berlin")
_HOUR = 3600.0


def at(seconds: float) -> Moment:
    """A moment with both clocks equal."""
    return Moment(seconds, seconds)


class EveryTests(SynchronousTestCase):
    def test_aligned(self) -> None:
        """Ticks are multiples of the interval since the start, however late they are taken."""
        ticks = EveryTicks(10.0, at(100.0))
        self.assertEqual(ticks.take(at(109.9), 10), ([], 0))
        self.assertEqual(ticks.take(at(113.0), 10), ([110.0], 0))
        self.assertEqual(ticks.until_next(at(113.0)), 7.0)
        self.assertEqual(ticks.take(at(120.0), 10), ([120.0], 0))
        self.assertEqual(ticks.take(at(120.0), 10), ([], 0))

    def test_stall(self) -> None:
        """After a stall all ticks are there, and the oldest beyond the limit are counted only."""
        ticks = EveryTicks(10.0, at(0.0))
        self.assertEqual(ticks.take(at(35.0), 10), ([10.0, 20.0, 30.0], 0))
        self.assertEqual(ticks.take(at(95.0), 2), ([80.0, 90.0], 4))

    def test_clock_is_set(self) -> None:
        """The clock of the machine does not matter."""
        ticks = EveryTicks(10.0, Moment(0.0, 1000.0))
        self.assertEqual(ticks.take(Moment(10.0, 5000.0), 10), ([1010.0], 0))
        self.assertEqual(ticks.take(Moment(20.0, 0.0), 10), ([1020.0], 0))
        self.assertEqual((ticks.next_at(), ticks.until_next(Moment(20.0, 0.0))), (1030.0, 10.0))

    def test_rounding(self) -> None:
        """A timer that fires at the time of a tick takes it, whatever the rounding of floats."""
        for interval in 0.1, 0.3, 1e-3, 7.7:
            ticks, now = EveryTicks(interval, at(0.1)), 0.1
            for _ in range(500):
                now += ticks.until_next(at(now))
                self.assertEqual(len(ticks.take(at(now), 10)[0]), 1)


class CronTests(SynchronousTestCase):
    def wall(self, text: str) -> float:
        """The wall time of a date in Berlin, or with an offset."""
        date = datetime.fromisoformat(text)
        return (date if date.tzinfo else date.replace(tzinfo=_BERLIN)).timestamp()

    def taken(self, expression: str, start: str, end: str) -> list[str]:
        """The times of all ticks in Berlin, taken every five minutes."""
        ticks = CronTicks(expression, "Europe/Berlin", at(self.wall(start)))
        found: list[float] = []
        now = self.wall(start)
        while now <= self.wall(end):
            found += ticks.take(at(now), 100)[0]
            now += 300.0
        return [datetime.fromtimestamp(each, _BERLIN).isoformat() for each in found]

    def test_utc(self) -> None:
        """Ticks are at the times of the expression, after the start."""
        ticks = CronTicks("0 3 * * *", "UTC", at(3 * _HOUR))
        self.assertEqual(ticks.next_at(), 27 * _HOUR)
        self.assertEqual(ticks.until_next(at(26 * _HOUR)), _HOUR)
        self.assertEqual(ticks.take(at(27 * _HOUR), 10), ([27 * _HOUR], 0))
        self.assertEqual(ticks.next_at(), 51 * _HOUR)

    def test_summer_time_begins(self) -> None:
        """A time that does not exist is made up for directly after the change."""
        found = self.taken("30 2 * * *", "2026-03-28T00:00", "2026-03-30T12:00")
        expected = ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
        self.assertEqual(found, expected)

    def test_summer_time_ends(self) -> None:
        """A time that exists twice counts once."""
        found = self.taken("30 2 * * *", "2026-10-24T12:00", "2026-10-26T00:00")
        self.assertEqual(found, ["2026-10-25T02:30:00+02:00"])

    def test_every_hour(self) -> None:
        """An expression for every hour has a tick in each hour that exists, also in a repeated one."""
        found = self.taken("30 * * * *", "2026-10-25T01:00", "2026-10-25T03:45")
        hours = [each[11:13] for each in found]
        self.assertEqual(hours, ["01", "02", "02", "03"])

    def test_seconds(self) -> None:
        """With six fields, the first is the second."""
        ticks = CronTicks("*/20 * * * * *", "UTC", at(0.0))
        self.assertEqual(ticks.take(at(65.0), 10), ([20.0, 40.0, 60.0], 0))

    def test_late(self) -> None:
        """A machine that was suspended takes the ticks of that time."""
        ticks = CronTicks("0 * * * *", "UTC", at(0.0))
        self.assertEqual(ticks.take(at(3.5 * _HOUR), 10), ([_HOUR, 2 * _HOUR, 3 * _HOUR], 0))

    def test_clock_is_set_far_ahead(self) -> None:
        """At most so many ticks are taken as the limit says; then it goes on from the present."""
        ticks = CronTicks("* * * * *", "UTC", at(0.0))
        self.assertEqual(len(ticks.take(at(1e9), 10)[0]), 10)
        self.assertTrue(0.0 < ticks.until_next(at(1e9)) <= 60.0)

    def test_clock_is_set_back(self) -> None:
        """Back by up to three hours, no tick is repeated; by more, the time of the machine counts."""
        ticks = CronTicks("0 * * * *", "UTC", at(100 * _HOUR))
        ticks.take(at(101 * _HOUR), 10)
        self.assertEqual(ticks.take(at(99.5 * _HOUR), 10), ([], 0))
        self.assertEqual(ticks.next_at(), 102 * _HOUR)
        self.assertEqual(ticks.take(at(50.5 * _HOUR), 10), ([], 0))
        self.assertEqual(ticks.next_at(), 51 * _HOUR)

    def test_no_further_match(self) -> None:
        """An expression without a further match has no more ticks."""
        ticks = CronTicks("* * */20 * 1L", "UTC", at(0.0))
        self.assertEqual((ticks.next_at(), ticks.take(at(1e9), 10)), (math.inf, ([], 0)))


class MakeTests(SynchronousTestCase):
    def test_kinds(self) -> None:
        """A spec has an interval or a cron expression."""
        self.assertIsInstance(make_ticks(ScheduleSpec("a", interval=1.0), at(0)), EveryTicks)
        self.assertIsInstance(make_ticks(ScheduleSpec("a", cron="* * * * *"), at(0)), CronTicks)

    def test_from_another_process(self) -> None:
        """A spec is checked, as it may come from another process."""
        self.assertRaises(ConfigError, make_ticks, ScheduleSpec("a", cron="x"), at(0))
        self.assertEqual(len(make_ticks(ScheduleSpec("a"), at(0)).take(at(1), 10)[0]), 10)
