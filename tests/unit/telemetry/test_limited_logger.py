"""Messages that peers can cause do not fill the log."""

from __future__ import annotations

import math
import os

from twisted.logger import LogEvent, LogLevel, capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.limited_logger import LimitedLogger, next_report, report_suppressed
from unixsvc.telemetry.rate_limit import RateLimit


def _fail(number: int) -> None:
    raise ValueError(number)


def _fail_elsewhere(number: int) -> None:
    raise ValueError(number)


class LimitedLoggerTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A logger with two messages in ten seconds."""
        self.now = 1.0
        self.log = LimitedLogger("shop", RateLimit(burst=2, interval=10.0), lambda: self.now)
        with capturedLogs():  # what other tests have suppressed
            report_suppressed(final=True)
        self.addCleanup(self.log.report)

    def logged(self, number: int, kind: str = "refused", level: str = "info") -> list[str]:
        """The texts that are logged when a number of messages of one kind are given to the logger."""
        with capturedLogs() as events:
            for index in range(number):
                self.log.emit(level, kind, "{index} is refused", index=index)
        return [formatEvent(event) for event in events]

    def failed(self, *errors: BaseException | Failure) -> list[LogEvent]:
        """The events for failures."""
        with capturedLogs() as events:
            for error in errors:
                self.log.failure("failed: {log_failure.value}", error)
        self.flushLoggedErrors(ValueError)
        return list(events)

    def test_suppressed(self) -> None:
        """Messages above the limit are not logged; the next message reports their number."""
        self.assertEqual(self.logged(1500), ["0 is refused", "1 is refused"])
        self.now = 11.0
        self.assertEqual(self.logged(1), ["… 1,498 more like this in 10 s: refused", "0 is refused"])

    def test_report(self) -> None:
        """The number is reported without a further message, with the namespace and the level."""
        self.logged(3, level="warn")
        self.now = 11.0
        with capturedLogs() as events:
            report_suppressed()
            report_suppressed()
        (event,) = events
        self.assertEqual(formatEvent(event), "… 1 more like this in 10 s: refused")
        self.assertEqual((event["log_namespace"], event["log_level"]), ("shop", LogLevel.warn))

    def test_report_at_the_end(self) -> None:
        """At the end of the process the number is reported before the interval has ended."""
        self.logged(3)
        with capturedLogs() as events:
            report_suppressed()
            self.assertEqual(len(events), 0)
            report_suppressed(final=True)
        self.assertEqual(len(events), 1)

    def test_next_report(self) -> None:
        """The time until the next report is known."""
        self.assertEqual(next_report(), math.inf)
        self.logged(1)
        self.now = 3.0
        self.assertEqual(next_report(), 8.0)
        self.now = 11.0
        report_suppressed()
        self.assertEqual(next_report(), math.inf)

    def test_failures(self) -> None:
        """Failures are logged with their tracebacks; those of one line are of one kind."""
        errors: list[BaseException] = []
        for raise_error in (_fail, _fail, _fail, _fail_elsewhere):
            try:
                raise_error(len(errors))
            except ValueError as error:
                errors.append(error)
        events = self.failed(*errors)
        self.assertEqual([formatEvent(each) for each in events], ["failed: 0", "failed: 1", "failed: 3"])
        self.assertIn("in _fail", events[0]["log_failure"].getTraceback())
        self.now = 11.0
        with capturedLogs() as reported:
            report_suppressed()
        line = _fail.__code__.co_firstlineno + 1
        place = f"ValueError in _fail ({os.path.basename(__file__)}:{line})"
        self.assertEqual([formatEvent(each) for each in reported], [f"… 1 more like this in 10 s: {place}"])

    def test_failure_without_traceback(self) -> None:
        """A failure without a traceback, or within a Failure, is logged."""
        events = self.failed(ValueError(1), Failure(ValueError(2)))
        self.assertEqual([formatEvent(each) for each in events], ["failed: 1", "failed: 2"])

    def test_fork(self) -> None:
        """A forked child does not report what its parent has suppressed."""
        self.logged(3)
        child = os.fork()
        if child == 0:
            os._exit(0 if next_report() == math.inf else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(next_report(), 10.0)
