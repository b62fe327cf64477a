"""Signals, and the exit code."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

__all__ = ["BOOT_FAILED", "ESSENTIAL_FAILED", "STOPPED", "WRONG_USAGE", "ExitCode", "Signals"]

STOPPED: Final = 0
WRONG_USAGE: Final = 2
BOOT_FAILED: Final = 3
ESSENTIAL_FAILED: Final = 4
STUCK: Final = 1

# A signal that the reactor has not heard of when so many more have come is one that it will never hear of.
_DEAF: Final = 2


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


class Signals:
    """TERM and INT: the first one stops in order, a second one at once. HUP reloads.

    The reactor's own handlers would make ``twistd`` end by the signal instead of with 0, so these replace
    them once the reactor runs.

    HUP is also what a terminal sends that is closed: then it stops in order, too.

    :param stop: begins to stop.
    :param hurry: called for each further signal.
    :param reload: called at HUP.
    :param kill: ends all workers, from within a signal handler.
    """

    def __init__(
        self,
        reactor: Any,
        stop: Callable[[], object],
        hurry: Callable[[], object],
        reload: Callable[[], object],
        kill: Callable[[], object],
    ) -> None:
        self._reactor = reactor
        self._stop = stop
        self._hurry = hurry
        self._reload = reload
        self._kill = kill
        self._seen = False
        self._unheard = 0  # signals since the reactor has last heard of one
        self._hung_up = False  # a HUP has come that nobody has looked at yet
        self._terminal: int | None = None

    def install(self) -> None:
        """Replace the reactor's handlers."""
        self._terminal = next(filter(os.isatty, range(3)), None)
        handlers = {
            signal.SIGTERM: self._caught,
            signal.SIGINT: self._caught,
            signal.SIGHUP: self._caught_hup,
        }
        for each, handler in handlers.items():
            if signal.getsignal(each) is not signal.SIG_IGN:  # nohup means it
                signal.signal(each, handler)

    @property
    def stopping(self) -> bool:
        """Whether it stops already."""
        return self._seen

    def stop(self) -> None:
        """Stop, as if the next signal had come."""
        if self._seen:
            self._hurry()
        else:
            self._seen = True
            self._stop()

    # Whatever the process is in the middle of, a handler only leaves word.

    def _caught(self, number: int, frame: FrameType | None) -> None:
        self._unheard += 1
        if self._unheard > _DEAF:
            self._kill()  # the reactor is stuck: most likely nobody reads the log, and writing it blocks
            os._exit(STUCK)
        self._reactor.callFromThread(self._hear)

    def _hear(self) -> None:
        self._unheard = 0
        self.stop()

    def _caught_hup(self, number: int, frame: FrameType | None) -> None:
        if not self._hung_up:
            self._hung_up = True
            self._reactor.callFromThread(self._hang_up)

    def _hang_up(self) -> None:
        self._hung_up = False
        if self._terminal is not None and not os.isatty(self._terminal):
            self.stop()
        elif not self._seen:
            self._reload()
