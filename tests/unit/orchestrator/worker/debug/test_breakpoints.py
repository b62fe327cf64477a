"""Tests of breakpoints in workers without a terminal."""

from __future__ import annotations

import os
import sys
from typing import cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.worker.debug.breakpoints import SkippedBreakpoints

# Calls that the other debugger of the tests gets.
_calls: list[tuple[object, ...]] = []


def debugger(*arguments: object) -> None:
    """Record a call."""
    _calls.append(arguments)


class BreakpointTests(SynchronousTestCase):
    """``breakpoint()`` with the hook of a worker."""

    def setUp(self) -> None:
        """Install the hook."""
        self.patch(sys, "breakpointhook", sys.breakpointhook)
        self.set_debugger("")
        SkippedBreakpoints("shop").install()
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        _calls.clear()

    def set_debugger(self, name: str) -> None:
        """Set the environment variable that names the debugger, until the end of the test."""
        usual = os.environ.get("PYTHONBREAKPOINT", "")
        self.addCleanup(os.environ.__setitem__, "PYTHONBREAKPOINT", usual)
        os.environ["PYTHONBREAKPOINT"] = name

    def test_skipped(self) -> None:
        """The code goes on; the log names the line, and the command that stops there."""
        breakpoint("an argument")
        line = sys._getframe().f_lineno - 1
        [event] = self.events
        where = f"{__file__}:{line}"
        self.assertEqual((event["log_level"].name, event["where"]), ("warn", where))
        self.assertEqual(event["service"], "shop")

    def test_many(self) -> None:
        """A breakpoint in a loop does not fill the log."""
        for _ in range(100):
            breakpoint("an argument")
        self.assertLess(len(self.events), 30)

    def test_other_debugger(self) -> None:
        """A debugger that needs no terminal, as PYTHONBREAKPOINT names it, is called; 0 is none."""
        self.set_debugger(f"{__name__}.debugger")
        breakpoint("an argument")
        self.set_debugger("0")
        breakpoint("another one")
        self.assertEqual((_calls, self.events), ([("an argument",)], []))
