"""Splits a byte stream into lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

__all__ = ["LineSplitter"]

# Maximum length of a line, in bytes: a worker that never ends a line must not fill the memory.
_MAX_LINE: Final = 524_288


class LineSplitter:
    """Calls a function with each line; lines that are too long are split.

    :param deliver: called with a line without its line end.
    """

    def __init__(self, deliver: Callable[[bytes], None]) -> None:
        self._deliver = deliver
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        """Add bytes of the stream."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._deliver(line)
        while len(self._buffer) > _MAX_LINE:
            self._deliver(self._buffer[:_MAX_LINE])
            self._buffer = self._buffer[_MAX_LINE:]

    def end(self) -> None:
        """Deliver the rest: the stream has ended."""
        if self._buffer:
            self._deliver(self._buffer)
            self._buffer = b""
