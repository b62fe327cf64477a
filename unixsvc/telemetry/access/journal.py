"""Memory that a worker shares with the orchestrator, and in which it notes the requests that it has answered.

What a worker has noted is there whatever happens to it then, so the log has each request whose reply a client
has got. No system call is needed, and nothing is woken up.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Final

from unixsvc.shared_memory import make_shared_memory

__all__ = ["JOURNAL_BYTES", "AccessJournal", "JournalReader", "make_journal"]

JOURNAL_BYTES: Final = 1_048_576
"""The size: with 20,000 requests a second and about 120 bytes for each, those of 0.4 seconds."""

_HEADER: Final = 64
_WRITTEN: Final = 0  # entries of the header: bytes since the start
_READ: Final = 1
_LOST: Final = 2  # events


def make_journal() -> int:
    """Allocate the memory.

    :returns: its descriptor.
    :raises OSError: if no file descriptor is left.
    """
    return make_shared_memory("unixsvc-access", _HEADER + JOURNAL_BYTES)


class _Memory:
    """The memory, as a ring of bytes with three counters before them, each with one writer."""

    def __init__(self, descriptor: int) -> None:
        self.map = mmap.mmap(descriptor, os.fstat(descriptor).st_size)
        memory = memoryview(self.map)
        self.counters = memory[:_HEADER].cast("Q")
        self.ring = memory[_HEADER:]


class AccessJournal:
    """The worker's side.

    :param descriptor: of the memory; it may be closed then.
    :ivar admits: see :class:`~unixsvc.telemetry.access.log.Journal`.
    """

    def __init__(self, descriptor: int) -> None:
        memory = _Memory(descriptor)
        self.admits: Callable[[str], bool] | None = None
        self._counters, self._map = memory.counters, memory.map
        self._size = len(memory.ring)
        self._last = _HEADER + self._size
        # Of the present round through the ring, less the size of the counters.
        self._start = self._counters[_WRITTEN] - _HEADER
        # Places in the memory, behind the counters.
        self._at = _HEADER
        self._end = 0  # where a line must end to be written without a further look

    def add(self, line: bytes) -> None:
        """Note a request; if there is no room, count it as lost.

        :param line: with its line end.
        """
        at = self._at
        end = at + len(line)
        if end > self._end and not self._has_room(end):
            self._counters[_LOST] += 1
        elif end <= self._last:
            self._map[at:end] = line  # costs half of the same with a memoryview
            self._at = end
            self._counters[_WRITTEN] = self._start + end
        else:
            self._wrap(line)

    def _has_room(self, end: int) -> bool:
        free = self._counters[_READ] + self._size - self._start
        self._end = min(free, self._last)
        return end <= free

    def _wrap(self, line: bytes) -> None:
        first = self._last - self._at
        end = _HEADER + len(line) - first
        self._map[self._at : self._last], self._map[_HEADER:end] = line[:first], line[first:]
        self._start += self._size
        self._at, self._end = end, 0
        self._counters[_WRITTEN] = self._start + end


class JournalReader:
    """The orchestrator's side. The worker, and so its application, may have written anything.

    :param descriptor: of the memory; it may be closed then.
    """

    def __init__(self, descriptor: int) -> None:
        memory = _Memory(descriptor)
        self._counters, self._ring = memory.counters, memory.ring
        self._size = len(memory.ring)
        self._lost = 0

    def take(self) -> tuple[bytes, int]:
        """Return the lines since the last call, and the number of events that are lost since."""
        read, written = self._counters[_READ], self._counters[_WRITTEN]
        lost, self._lost = self._lost, self._counters[_LOST]
        if not 0 <= written - read <= self._size:  # no worker writes that
            self._counters[_READ] = written
            return b"", self._lost - lost
        at, size = read % self._size, written - read
        data = bytes(self._ring[at : at + size])
        data += bytes(self._ring[: size - len(data)])
        self._counters[_READ] = written
        return data, self._lost - lost
