"""A process with a terminal, whose output a test waits for."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Mapping

__all__ = ["TerminalProcess"]

_TIMEOUT = 60.0  # seconds; only reached if something is broken
_AGAIN = 5.0  # seconds


class TerminalProcess:
    """``unixsvc`` on a pseudo-terminal, which is its controlling terminal.

    :param folder: its current directory.
    :param environment: environment variables in addition to our own.
    """

    def __init__(self, folder: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._ours, theirs = os.openpty()
        self._printed = ""
        take_terminal = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        execute = "os.execv(sys.executable, [sys.executable, '-m', 'unixsvc', *sys.argv[1:]])"
        self.process = subprocess.Popen(
            [sys.executable, "-c", take_terminal + execute, *arguments],
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
