"""The last events of the log, in memory; pure."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque

from msgspec import Struct

__all__ = ["LogRing", "RingPart"]


class _Chunk(Struct, frozen=True):
    """Lines that were added at once.

    :ivar number: that of the first event.
    """

    number: int
    lines: bytes


class RingPart(Struct, frozen=True):
    """A part of the ring.

    :ivar lines: events as lines of JSON; empty if there are none yet.
    :ivar following: the number of the event behind them.
    :ivar missed: the number of events before them that the ring no longer has.
    """

    lines: bytes
    following: int
    missed: int = 0


class LogRing:
    """Keeps events until those that follow need their place. They are numbered from 0. Any thread may use it.

    :param max_bytes: the limit of all lines together.
    :ivar closed: whether followers are to stop waiting, as the process stops.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.closed = False
        self._chunks: deque[_Chunk] = deque()
        self._bytes = 0
        self._following = 0
        self._lock = threading.Lock()

    @property
    def first(self) -> int:
        """The number of the oldest event."""
        with self._lock:
            return self._first()

    @property
    def following(self) -> int:
        """The number that the next event will have."""
        return self._following

    def add(self, lines: bytes, events: int = 1) -> None:
        """Add events.

        :param lines: as JSON, with their line ends.
        :param events: how many they are.
        """
        # The ring drops whole chunks. Of events that are larger than it together, the last ones are to stay.
        parts = [(lines, events)]
        if events > 1 and len(lines) > self._max_bytes // 8:
            parts = [(line, 1) for line in lines.splitlines(keepends=True)]
        with self._lock:
            for part, number in parts:
                self._chunks.append(_Chunk(self._following, part))
                self._following += number
                self._bytes += len(part)
                while self._bytes > self._max_bytes:
                    self._bytes -= len(self._chunks.popleft().lines)

    def read(self, number: int, most: int = 65_536) -> RingPart:
        """Return the events from a number on.

        :param number: 0, :attr:`first`, or :attr:`RingPart.following`.
        :param most: how many bytes, unless what was added at once has more.
        """
        with self._lock:
            start = max(number, self._first())
            index = bisect_left(self._chunks, start, key=lambda chunk: chunk.number)
            found: list[bytes] = []
            size = 0
            while index < len(self._chunks) and (not found or size + len(self._chunks[index].lines) <= most):
                found.append(self._chunks[index].lines)
                size += len(found[-1])
                index += 1
            following = self._chunks[index].number if index < len(self._chunks) else self._following
            return RingPart(b"".join(found), following, start - number)

    def _first(self) -> int:
        return self._chunks[0].number if self._chunks else self._following
