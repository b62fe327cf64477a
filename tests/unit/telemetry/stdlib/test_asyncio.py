"""The log of asyncio and uvloop."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from functools import partial

from twisted.logger import LogEvent, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.logs import LogLevelFilter
from unixsvc.telemetry.stdlib.handlers import PythonLogging


class AsyncioTests(SynchronousTestCase):
    """Messages of asyncio and uvloop."""

    def setUp(self) -> None:
        """Install the handlers."""
        self.logger = logging.getLogger("asyncio")
        python = PythonLogging(LogLevelFilter("info").observe)
        python.install()
        self.addCleanup(python.remove)

    def logged(self, call: Callable[[], object]) -> list[LogEvent]:
        """The events while a function is called."""
        with capturedLogs() as events:
            call()
        return list(events)

    def test_levels(self) -> None:
        """They are events with their levels."""
        for name, level in (("warning", "warn"), ("error", "error"), ("critical", "critical")):
            (found,) = self.logged(partial(getattr(self.logger, name), "%s is slow", "x"))
            self.assertEqual((formatEvent(found), found["log_level"].name), ("x is slow", level))
            self.assertEqual(found["log_namespace"], "asyncio")

    def test_traceback(self) -> None:
        """An exception is in the traceback of the event."""
        (found,) = self.logged(partial(self.logger.error, "failed", exc_info=ValueError("no luck")))
        self.assertIn("ValueError: no luck", found["traceback"])

    def test_limited(self) -> None:
        """Peers that close their connections do not fill the log."""

        def write() -> None:
            for _ in range(999):
                self.logger.warning("SSL connection is closed")

        self.assertEqual(len(self.logged(write)), 20)

    def test_no_other_handler(self) -> None:
        """They are not printed as well."""
        printed = io.StringIO()
        handler = logging.StreamHandler(printed)
        logging.getLogger().addHandler(handler)
        self.addCleanup(logging.getLogger().removeHandler, handler)
        self.assertEqual(len(self.logged(partial(self.logger.warning, "x"))), 1)
        self.assertEqual(printed.getvalue(), "")
