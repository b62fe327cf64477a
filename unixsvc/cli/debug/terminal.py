"""The pseudo-terminal of a debugged worker, and its connection to the terminal of this process."""

from __future__ import annotations

import errno
import os
import select
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

__all__ = ["PseudoTerminal"]

_CHUNK: Final = 65_536  # bytes
# How long the last output of a worker that has exited may take to arrive, in seconds.
_LAST_OUTPUT: Final = 0.1
_STDIN: Final = 0
_STDOUT: Final = 1


class PseudoTerminal:
    """A pseudo-terminal that has the size and the settings of the terminal of this process.

    The kernel turns Ctrl-C that is typed here into a signal for the process that controls it, and hangs it
    up when this process ends, however it does.

    :ivar path: the path of the worker's end.
    """

    def __init__(self) -> None:
        self._ours, self._theirs = os.openpty()
        self.path = os.ttyname(self._theirs)
        self._settings = termios.tcgetattr(_STDIN)
        termios.tcsetattr(self._theirs, termios.TCSANOW, self._settings)
        os.set_blocking(self._ours, False)
        self._resize()

    def stat(self) -> os.stat_result:
        """The properties of the worker's end."""
        return os.fstat(self._theirs)

    def give_to(self, uid: int) -> None:
        """Let a user open the worker's end; only root may call this."""
        os.fchown(self._theirs, uid, -1)

    @contextmanager
    def connected(self) -> Iterator[None]:
        """Pass every key on as it is typed, while in this context.

        :raises OSError: if this terminal has gone.
        """
        signal.signal(signal.SIGWINCH, self._on_resize)
        tty.setraw(_STDIN)
        try:
            yield
        finally:
            with suppress(termios.error):  # it has gone
                termios.tcsetattr(_STDIN, termios.TCSADRAIN, self._settings)

    def relay(self, until: int, on_keys: Callable[[bytes], object]) -> None:
        """Copy what is typed and printed.

        :param until: a descriptor; the copying ends when that is readable.
        :param on_keys: called with what is typed.
        :raises OSError: if this terminal has gone.
        """
        while True:
            readable, _, _ = select.select([_STDIN, self._ours, until], [], [])
            if self._ours in readable:
                self._copy_output()
            if _STDIN in readable:
                keys = os.read(_STDIN, _CHUNK)
                if not keys:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                on_keys(keys)
                with suppress(BlockingIOError):  # nothing reads them, and the buffer is full
                    os.write(self._ours, keys)
            if until in readable:
                while select.select([self._ours], [], [], _LAST_OUTPUT)[0]:
                    self._copy_output()
                return

    def _copy_output(self) -> None:
        rest = memoryview(os.read(self._ours, _CHUNK))
        while rest:
            rest = rest[os.write(_STDOUT, rest) :]

    def _resize(self) -> None:
        termios.tcsetwinsize(self._theirs, termios.tcgetwinsize(_STDIN))

    def _on_resize(self, number: int, frame: FrameType | None) -> None:
        self._resize()
