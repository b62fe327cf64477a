"""The terminal of the worker of a debug session."""

from __future__ import annotations

import fcntl
import os
import pdb
import signal
import termios
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from unixsvc.errors import ConfigError

__all__ = ["Terminal"]

# The modules of a debugger that reads commands or evaluates an expression. Others are built upon them.
_DEBUGGERS: Final = ("bdb", "pdb", "cmd")


class Terminal:
    """The terminal that a worker has as its standard input, output and error.

    Ctrl-C at the prompt of a debugger interrupts the command; otherwise it ends the worker.
    """

    def __init__(self) -> None:
        self._end: Callable[[], object] = _interrupt
        # Opened now: a process that has used all its descriptors must still be able to hang up.
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)

    def take(self) -> None:
        """Make it the controlling terminal of this process, which leads a session, and handle its signals.

        :raises ConfigError: if the kernel refuses.
        """
        try:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        except OSError as error:
            raise ConfigError("the terminal", f"cannot be controlled: {error.strerror}") from None
        import readline  # noqa: F401 - later, its file may not be readable; input() uses it once it is imported

        signal.signal(signal.SIGINT, self._on_interrupt)
        signal.signal(signal.SIGHUP, self._on_hangup)
        pdb.Pdb = _Debugger  # type: ignore[misc] # for pdb.set_trace(), which breakpoint() calls

    def on_end(self, end: Callable[[], object]) -> None:
        """Set the function that Ctrl-C calls; until then, it raises KeyboardInterrupt."""
        self._end = end

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_globals.get("__name__") in _DEBUGGERS:
                raise KeyboardInterrupt
            frame = frame.f_back
        self._end()

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        """The terminal has gone: a prompt reads the end of the file, and what is printed is lost."""
        for descriptor in range(3):
            os.dup2(self._null, descriptor)


def _interrupt() -> None:
    raise KeyboardInterrupt


class _Debugger(pdb.Pdb):
    """pdb, without its handler for SIGINT: it would take Ctrl-C over from the first ``continue`` on."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # those of pdb, which differ by version
        super().__init__(*arguments, **{**options, "nosigint": True})
