"""Signals, and the exit code of the orchestrator."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Final

from msgspec import Struct
from twisted.internet.interfaces import IReactorFromThreads

__all__ = [
    "BOOT_FAILED",
    "ESSENTIAL_FAILED",
    "STOPPED",
    "WRONG_USAGE",
    "ExitCode",
    "SignalActions",
    "Signals",
]

STOPPED: Final = 0
STUCK: Final = 1
WRONG_USAGE: Final = 2
BOOT_FAILED: Final = 3
ESSENTIAL_FAILED: Final = 4

# If the reactor has not handled a signal when this number of further ones has arrived, it is blocked.
_MAX_UNHANDLED: Final = 2


class ExitCode:
    """The exit code of the process. ``twistd`` always exits with 0, so the code is set by an exit handler.

    :param flush_log: writes the rest of the log.
    :ivar code: 0 until it is set.
    """

    def __init__(self, flush_log: Callable[[], object]) -> None:
        self.code = STOPPED
        self._flush_log = flush_log
        atexit.register(self._exit)

    def _exit(self) -> None:
        self._flush_log()
        if self.code != STOPPED:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.code)


class SignalActions(Struct, frozen=True):
    """What signals do.

    :ivar stop: begins to drain and stop.
    :ivar stop_now: stops without draining.
    :ivar reload: reloads.
    :ivar reopen_log: opens the log file again.
    :ivar kill_workers: kills all workers; called within a signal handler.
    """

    stop: Callable[[], object]
    stop_now: Callable[[], object]
    reload: Callable[[], object]
    reopen_log: Callable[[], object]
    kill_workers: Callable[[], object]


class Signals:
    """The signal handlers: the first TERM or INT stops, a second one stops at once, HUP reloads.

    HUP and USR1 open the log file again, which log rotation needs.

    A signal that arrives before the reactor runs is handled when it does. They replace the handlers of the
    reactor once it runs: with those, ``twistd`` would exit by the signal instead of with code 0. A terminal
    that is closed sends HUP as well; then HUP stops.
    """

    def __init__(self, reactor: IReactorFromThreads, actions: SignalActions) -> None:
        self._reactor = reactor
        self._actions = actions
        self._stopping = False
        self._unhandled = 0  # TERM and INT since the reactor has last handled one
        self._hup_pending = False
        self._terminal: int | None = None

    def install(self) -> None:
        """Replace the handlers of the reactor."""
        self._terminal = next(filter(os.isatty, range(3)), None)
        handlers = {
            signal.SIGTERM: self._on_term,
            signal.SIGINT: self._on_term,
            signal.SIGHUP: self._on_hup,
            signal.SIGUSR1: self._on_usr1,
        }
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup(1) sets it
                signal.signal(number, handler)

    @property
    def stopping(self) -> bool:
        """Whether a stop has begun."""
        return self._stopping

    def stop(self) -> None:
        """Stop, as at the next TERM."""
        if self._stopping:
            self._actions.stop_now()
        else:
            self._stopping = True
            self._actions.stop()

    # A handler may interrupt any code, so it only schedules a call in the event loop.

    def _on_term(self, number: int, frame: FrameType | None) -> None:
        self._unhandled += 1
        if self._unhandled > _MAX_UNHANDLED:
            self._actions.kill_workers()  # the reactor is blocked
            os._exit(STUCK)
        self._reactor.callFromThread(self._handle_term)

    def _handle_term(self) -> None:
        self._unhandled = 0
        self.stop()

    def _on_hup(self, number: int, frame: FrameType | None) -> None:
        if not self._hup_pending:
            self._hup_pending = True
            self._reactor.callFromThread(self._handle_hup)

    def _on_usr1(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self._actions.reopen_log)

    def _handle_hup(self) -> None:
        self._hup_pending = False
        self._actions.reopen_log()
        if self._terminal is not None and not os.isatty(self._terminal):
            self.stop()
        elif not self._stopping:
            self._actions.reload()
