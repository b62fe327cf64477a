"""A process with a terminal, whose output a test waits for."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from typing import ClassVar

__all__ = ["TerminalProcess"]

_TIMEOUT = 60.0  # seconds; only reached if something is broken
_AGAIN = 5.0  # seconds


class TerminalProcess:
    """``unixsvc`` on a pseudo-terminal, which is its controlling terminal.

    :param folder: its current directory.
    :param environment: environment variables in addition to our own.
    :param program: what is run instead of ``unixsvc``, as a shell.
    :param size: of the terminal: its lines and columns; None for none, as a serial line has.
    """

    UNIXSVC: ClassVar = (sys.executable, "-m", "unixsvc")

    def __init__(
        self,
        folder: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        size: tuple[int, int] | None = None,
        program: Sequence[str] = UNIXSVC,
    ) -> None:
        self._ours, theirs = os.openpty()
        if size is not None:
            termios.tcsetwinsize(theirs, size)
        self._printed = ""
        take_terminal = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        execute = "os.execvp(sys.argv[1], sys.argv[1:])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", take_terminal + execute, *program, *arguments],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "TERM": "dumb",
                **(environment or {}),
            },
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, text: str, *, again: str = "") -> str:
        """Wait until it has printed a text; what it has printed up to it since the last call.

        :param again: typed every some seconds. Python does not notice a signal that arrives just before
            ``input()`` waits for a key; a person presses Ctrl-C again.
        """
        deadline = time.monotonic() + _TIMEOUT
        while text not in self._printed:
            left = max(deadline - time.monotonic(), 0.0)
            readable, _, _ = select.select([self._ours], [], [], min(left, _AGAIN) if again else left)
            if again and left and not readable:
                self.type(again)
                continue
            try:
                printed = os.read(self._ours, 65_536) if readable else b""
            except OSError:  # it has exited
                printed = b""
            if not printed:
                raise AssertionError(f"never printed {text!r}: {self._printed!r}")
            self._printed += printed.decode()
        before, _, self._printed = self._printed.partition(text)
        return before + text

    def read(self, timeout: float) -> str:
        """What it prints within some seconds, or empty; without waiting for more than there is.

        :raises EOFError: if it has exited.
        """
        readable, _, _ = select.select([self._ours], [], [], timeout)
        if not readable:
            return ""
        try:
            return os.read(self._ours, 65_536).decode("utf-8", "replace")
        except OSError:
            raise EOFError from None

    def resize(self, lines: int, columns: int) -> None:
        """Change the size of the terminal; the kernel tells the process."""
        termios.tcsetwinsize(self._ours, (lines, columns))

    def modes(self) -> list[object]:
        """The settings of the terminal."""
        return termios.tcgetattr(self._ours)

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._ours, text.encode())

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(_TIMEOUT)

    def end(self) -> None:
        """Kill it, and close the terminal."""
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
