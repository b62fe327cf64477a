"""Signals, and the exit code."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

__all__ = ["BOOT_FAILED", "STOPPED", "WRONG_USAGE", "ExitCode", "StopSignals"]

STOPPED: Final = 0
WRONG_USAGE: Final = 2
BOOT_FAILED: Final = 3


class ExitCode:
    """What the process ends with. ``twistd`` has no way to say it, so it is said after all else is over.

    :ivar code: 0 until somebody sets it.
    """

    def __init__(self) -> None:
        self.code = STOPPED
        atexit.register(self._leave)

    def _leave(self) -> None:
        if self.code != STOPPED:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)


class StopSignals:
    """TERM, INT and HUP: the first one stops in order, a second one at once.

    The reactor's own handlers would make ``twistd`` end by the signal instead of with 0, so these replace
    them once the reactor runs.

    :param stop: begins to stop.
    :param hurry: called for each further signal.
    """

    def __init__(self, reactor: Any, stop: Callable[[], object], hurry: Callable[[], object]) -> None:
        self._reactor = reactor
        self._stop = stop
        self._hurry = hurry
        self._seen = False

    def install(self) -> None:
        """Replace the reactor's handlers."""
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(each) is not signal.SIG_IGN:  # nohup means it
                signal.signal(each, self._caught)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        # Whatever the process is in the middle of, a handler only leaves word.
        self._reactor.callFromThread(self.stop)

    def stop(self) -> None:
        """Stop, as if the next signal had come."""
        if self._seen:
            self._hurry()
        else:
            self._seen = True
            self._stop()
