"""The terminal: its modes, its size, what is typed, and what is shown."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from rich.console import Console
from rich.text import Text

from unixsvc.cli.top.keys import keys_in

__all__ = ["Screen"]

_STDIN: Final = 0
_STDOUT: Final = 1
_CHUNK: Final = 4096  # bytes
# The alternate screen, without cursor, and without a new line after the last column.
_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_LEAVE: Final = "\x1b[?7h\x1b[?25h\x1b[?1049l"
# Terminals that know this mode show everything between the two at once; the others ignore it.
_BEGIN: Final = "\x1b[?2026h"
_END: Final = "\x1b[?2026l"
_REST_OF_LINE: Final = "\x1b[K"
_TTY_FLAGS, _INPUT_FLAGS = 3, 0  # places in the list that describes a terminal
_FATAL: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Screen:
    """The terminal of this process, which is given back as it was.

    :param console: renders lines, with the colours that the terminal has.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._settings = termios.tcgetattr(_STDIN)
        self._shown: list[str] = []
        # Set by handlers of signals, which may interrupt a show() that ends after them.
        self._is_stale = True
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)

    @property
    def size(self) -> tuple[int, int]:
        """Its width and height, in characters."""
        with suppress(OSError):
            width, height = os.get_terminal_size(_STDOUT)
            if width and height:  # a serial line has no size
                return width, height
        return 80, 24

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Take the terminal; when the context ends, also by a signal, give it back."""
        handlers: dict[int, Callable[[int, FrameType | None], object]] = {
            signal.SIGWINCH: self._on_resize,
            signal.SIGTSTP: self._on_stop,
            **dict.fromkeys(_FATAL, _exit),
        }
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            self._enter()
            yield
        finally:
            self._leave()
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Give the terminal back for a while, to a process that this one waits for."""
        self._leave()
        # Its keys are its own. Ctrl-C is not ignored here, as the process would inherit that.
        interrupt = signal.signal(signal.SIGINT, lambda number, frame: None)
        stop = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, interrupt)
            signal.signal(signal.SIGTSTP, stop)
            self._enter()

    def wake(self) -> None:
        """End the waiting of :meth:`keys`; any thread may call this."""
        with suppress(BlockingIOError):  # it is woken already
            os.write(self._wake, b".")

    def keys(self, timeout: float | None) -> list[str]:
        """Wait for keys, or until something wakes; what was typed.

        :param timeout: in seconds; None for no limit.
        :raises EOFError: if the terminal has gone.
        """
        readable, _, _ = select.select([_STDIN, self._woken], [], [], timeout)
        if self._woken in readable:
            with suppress(BlockingIOError):
                os.read(self._woken, _CHUNK)
        if _STDIN not in readable:
            return []
        typed = os.read(_STDIN, _CHUNK)
        if not typed:
            raise EOFError
        return list(keys_in(typed))

    def show(self, lines: list[Text]) -> None:
        """Show lines, from the first one of the screen on; only changed ones are written."""
        if self._is_stale:
            self._is_stale, self._shown = False, []
        width, _ = self.size
        self._console.width = width
        rendered = [self._render(each, width) for each in lines]
        old = self._shown
        changes = [
            f"\x1b[{number};1H{line}"
            for number, line in enumerate(rendered, 1)
            if number > len(old) or old[number - 1] != line
        ]
        if changes:
            _write("".join((_BEGIN, *changes, _END)))
        self._shown = rendered

    def _render(self, line: Text, width: int) -> str:
        with self._console.capture() as captured:
            self._console.print(line, end="", no_wrap=True, overflow="crop", crop=False, highlight=False)
        return captured.get() + (_REST_OF_LINE if line.cell_len < width else "")

    def _enter(self) -> None:
        tty.setcbreak(_STDIN, termios.TCSADRAIN)
        mode = termios.tcgetattr(_STDIN)
        mode[_INPUT_FLAGS] &= ~termios.IXON  # Ctrl-S would stop the screen
        termios.tcsetattr(_STDIN, termios.TCSADRAIN, mode)
        self._is_stale = True
        _write(_ENTER)

    def _leave(self) -> None:
        with suppress(OSError):  # it has gone
            _write(_LEAVE)
        with suppress(termios.error):
            termios.tcsetattr(_STDIN, termios.TCSANOW, self._settings)

    def _on_resize(self, number: int, frame: FrameType | None) -> None:
        self._is_stale = True
        self.wake()

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal as it was, until it continues this process."""
        self._leave()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        signal.signal(number, self._on_stop)
        self._enter()
        self.wake()


def _write(text: str) -> None:
    rest = text.encode("utf-8", "replace")
    while rest:
        rest = rest[os.write(_STDOUT, rest) :]


def _exit(number: int, frame: FrameType | None) -> None:
    for each in _FATAL:  # a second one must not interrupt the end
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)
