"""The declaration of schedules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from twisted.trial.unittest import SynchronousTestCase

from unixsvc import cron, every
from unixsvc.errors import ConfigError
from unixsvc.schedules.duration import format_duration, parse_duration
from unixsvc.schedules.spec import Schedule, ScheduleSpec


def job() -> None:
    """Do nothing."""


async def patient() -> None:
    """Do nothing."""


async def items() -> AsyncIterator[int]:
    """No job."""
    yield 1


class DurationTests(SynchronousTestCase):
    def test_units(self) -> None:
        """Numbers are seconds; text has units, which may be combined."""
        texts = ["500ms", "30s", "5m", "2h", "1d", "1h30m", "1.5s", "0.25h"]
        self.assertEqual(
            [parse_duration(text, "it") for text in texts],
            [0.5, 30.0, 300.0, 7200.0, 86_400.0, 5400.0, 1.5, 900.0],
        )
        self.assertEqual(parse_duration(7, "it"), 7.0)

    def test_wrong(self) -> None:
        """Any other text is an error that names the place and shows the format."""
        for text in "", "5", "5 m", "m", "-5m", "5m ", "1h30", "1e3s", ".5s", "5M", "\u0665m":
            error = self.assertRaises(ConfigError, parse_duration, text, "it")
            self.assertEqual(str(error), f"it: {text!r} is no duration; write it as 30s, 5m, 1h30m or 500ms")

    def test_format(self) -> None:
        """Seconds are shown in the largest units, so that they can be read again."""
        for seconds in 0.001, 0.02, 1.0, 90.0, 5400.0, 86_400.0, 90_061.001:
            self.assertEqual(parse_duration(format_duration(seconds), "it"), seconds)
        self.assertEqual(format_duration(5400), "1h30m")
        self.assertEqual(format_duration(0), "0s")


class DeclarationTests(SynchronousTestCase):
    def refused(self, declare: Callable[[], object]) -> str:
        """The error of a declaration."""
        return str(self.assertRaises(ConfigError, declare))

    def test_interval(self) -> None:
        """The name is that of the function, and nothing is repeated or made up for by default."""
        self.assertEqual(every("5m", job), Schedule(ScheduleSpec("job", interval=300.0), job))
        self.assertEqual(every("5m", job).spec.text, "every 5m")

    def test_cron(self) -> None:
        """A cron expression is evaluated in UTC by default."""
        self.assertEqual(cron("0 3 * * *", job), Schedule(ScheduleSpec("job", cron="0 3 * * *"), job))
        self.assertEqual(cron("0 3 * * *", job, timezone="Asia/Tokyo").spec.text, "0 3 * * * Asia/Tokyo")

    def test_options(self) -> None:
        """The options are part of the schedule; those for the orchestrator of its spec."""
        made = every(2, patient, name="p", timeout="1m", catch_up=True, rerun=True)
        self.assertEqual(
            made,
            Schedule(ScheduleSpec("p", interval=2.0, catch_up=True, rerun=True), patient, False, 60.0),
        )
        self.assertTrue(every(2, job, blocking=True).blocking)

    def test_names(self) -> None:
        """What has no name needs one."""
        self.assertIn("has no name", self.refused(lambda: every(1, _Callable())))
        self.assertEqual(every(1, _Callable(), name="it").spec.name, "it")

    def test_wrong_intervals(self) -> None:
        """An interval is at least a millisecond."""
        for interval in 0, -1, "0s", 0.0005, float("nan"), float("inf"):
            error = self.assertRaises(ConfigError, every, interval, job)
            self.assertIn("schedule 'job': the interval", str(error))

    def test_wrong_cron(self) -> None:
        """A wrong expression, one without a match, and an unknown time zone are errors."""
        self.assertIn("schedule 'job': '0 3 * *' is no cron", self.refused(lambda: cron("0 3 * *", job)))
        self.assertIn("Bad hour", self.refused(lambda: cron("0 25 * * *", job)))
        never = self.refused(lambda: cron("* * */20 * 1L", job))
        self.assertIn("has no match in the next 50 years", never)
        for zone in "Nowhere", "../etc/passwd", "":
            error = self.assertRaises(ConfigError, cron, "* * * * *", job, timezone=zone)
            self.assertIn("there is no time zone", str(error))

    def test_timeouts(self) -> None:
        """Only a coroutine can be interrupted, so only it can have a time limit."""
        self.assertIn("cannot be interrupted", self.refused(lambda: every(1, job, timeout=1)))
        self.assertIn("cannot be interrupted", self.refused(lambda: every(1, job, timeout=1, blocking=True)))
        self.assertIn("timeout of schedule", self.refused(lambda: every(1, patient, timeout="x")))
        self.assertIn("out of range", self.refused(lambda: every(1, patient, timeout=0)))

    def test_wrong_functions(self) -> None:
        """A coroutine cannot run in a thread, and a generator is no job."""
        self.assertIn("is async and blocking", self.refused(lambda: every(1, patient, blocking=True)))
        self.assertIn("has a generator as its job", self.refused(lambda: every(1, items)))


class _Callable:
    def __call__(self) -> None:
        """Do nothing."""
