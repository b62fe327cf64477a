"""The process of the orchestrator below ``unixsvc dev``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import IO, Final

__all__ = ["DevProcess"]

# After the first Ctrl-C, pending requests are refused after this time, in seconds.
_DRAIN: Final = 3.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DevProcess:
    """The orchestrator as a child process, which stops if this process dies.

    Its process group is its own, so that Ctrl-C reaches it through this process alone.

    :param arguments: for ``twistd unixsvc``.
    :param stopping: set when it is asked to stop.
    """

    def __init__(self, arguments: Sequence[str], stopping: threading.Event) -> None:
        program = [sys.executable, "-P", "-m", "unixsvc.cli.dev.child", str(os.getpid())]
        twistd = ["-n", "--logfile", "-", "unixsvc", "--log-format", "json", *arguments]
        self._stopping = stopping
        self._process = subprocess.Popen(  # noqa: S603  # this interpreter; the arguments are the user's own
            [*program, *twistd], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, process_group=0
        )

    @property
    def log(self) -> IO[bytes]:
        """Its standard output."""
        if self._process.stdout is None:
            raise ValueError("it has no pipe")
        return self._process.stdout

    def handle_signals(self) -> None:
        """Pass signals on; only the main thread may call this."""
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def stop(self) -> None:
        """Stop it as Ctrl-C does: it drains; the second time, at once."""
        first = not self._stopping.is_set()
        self._stopping.set()
        self._process.send_signal(signal.SIGTERM)
        if first:
            timer = threading.Timer(_DRAIN, self._process.send_signal, [signal.SIGTERM])
            timer.daemon = True
            timer.start()

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        code = self._process.wait()
        return 128 - code if code < 0 else code

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()
