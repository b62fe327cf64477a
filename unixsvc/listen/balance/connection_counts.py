"""How many connections each worker of a service has: counters in memory that all workers share."""

from __future__ import annotations

import mmap
import os
import weakref
from typing import Final

from unixsvc.shared_memory import make_shared_memory

__all__ = ["ConnectionCounts", "WorkerSlot"]

_BYTES: Final = 16_384
_ENTRIES: Final = _BYTES // 8
_SLOTS: Final = _ENTRIES // 2
# The count of a worker that does not accept: more connections than any worker can have.
_NOT_ACCEPTING: Final = 2**62


class ConnectionCounts:
    """The shared memory, as its owner sees it: gives each worker a slot to write to.

    The first entry is the highest number of a slot in use. The rest of the first half are the
    connections that each worker has, the second half the connections that each has ever accepted. Each
    entry has one writer, and an aligned word of eight bytes is written at once, so there is no lock.
    """

    def __init__(self) -> None:
        self._file = make_shared_memory("unixsvc-connections", _BYTES)
        self._close = weakref.finalize(self, os.close, self._file)
        self._entries = _entries(self._file)
        self._used: set[int] = set()

    def fileno(self) -> int:
        """The file descriptor, for the workers."""
        return self._file

    def take(self) -> int:
        """Allocate a slot.

        :returns: its number; 0, which is no slot, if there are too many workers.
        """
        slot = next((number for number in range(1, _SLOTS) if number not in self._used), 0)
        if slot:
            self._entries[slot] = _NOT_ACCEPTING
            self._used.add(slot)
            self._entries[0] = max(self._used)
        return slot

    def free(self, slot: int) -> None:
        """Release the slot of a worker that has exited, also if it crashed."""
        self._used.discard(slot)
        if slot:
            self._entries[slot] = _NOT_ACCEPTING
            self._entries[0] = max(self._used, default=0)

    def close(self) -> None:
        """Release the memory."""
        self._entries.release()
        self._close()


class WorkerSlot:
    """The shared memory, as one worker sees it.

    :param file: the file descriptor; None for a worker that shares with no other.
    :param number: the slot, from :meth:`ConnectionCounts.take`.
    :ivar connections: the number of connections of this worker.
    """

    def __init__(self, file: int | None = None, number: int = 0) -> None:
        self._without_slot = file is not None and not number  # there are more workers than slots
        if file is None or not number:
            file, number = None, 1
        self._entries = _entries(file)
        self._number = number
        if file is None:
            self._entries[0] = 1
        self._accepting = False
        self._accepted = self._entries[_SLOTS + number]
        self.connections = self._lowest = self._highest = 0

    def start_accepting(self) -> None:
        """Publish that this worker accepts."""
        self._accepting = True
        self._entries[self._number] = self.connections

    def stop_accepting(self) -> bool:
        """Publish that this worker accepts no more.

        :returns: whether another one does; also if that is unknown, as there are more workers than slots.
        """
        self._accepting = False
        self._entries[self._number] = _NOT_ACCEPTING
        return self._without_slot or self.fewest() != _NOT_ACCEPTING

    def opened(self) -> None:
        """Count a new connection."""
        self.connections += 1
        if self.connections > self._highest:
            self._highest = self.connections
        self._accepted += 1
        self._entries[_SLOTS + self._number] = self._accepted
        if self._accepting:
            self._entries[self._number] = self.connections

    def passed(self) -> None:
        """Count a new connection that is closed already."""
        self._accepted += 1
        self._entries[_SLOTS + self._number] = self._accepted

    def closed(self) -> None:
        """Count a closed connection."""
        self.connections -= 1
        if self.connections < self._lowest:
            self._lowest = self.connections
        if self._accepting:
            self._entries[self._number] = self.connections

    def is_shared(self) -> bool:
        """False if there is no other worker."""
        return self._entries[0] != 1

    def is_first(self) -> bool:
        """Whether no worker with a lower number accepts."""
        return all(each == _NOT_ACCEPTING for each in self._counts()[: self._number - 1])

    @property
    def closed_ever(self) -> int:
        """How many connections this worker has ever closed, and those that have had its slot before it."""
        return self._accepted - self.connections

    def extremes(self) -> tuple[int, int]:
        """The lowest and the highest number of connections that this worker has had since the last call."""
        extremes = self._lowest, self._highest
        self._lowest = self._highest = self.connections
        return extremes

    def fewest(self) -> int:
        """The number of connections of the least-loaded worker that accepts."""
        entries = self._entries
        if entries[0] == 1:
            return entries[1]  # the usual case, for each client: no list is made
        return min(self._counts(), default=_NOT_ACCEPTING)

    def least_loaded(self) -> tuple[int, int]:
        """The slot of the least-loaded worker, and how many connections that has ever accepted."""
        counts = self._counts()
        number = counts.index(min(counts)) + 1 if counts else self._number
        return number, self._entries[_SLOTS + number]

    def _counts(self) -> list[int]:
        return self._entries[1 : self._entries[0] + 1].tolist()


def _entries(file: int | None) -> memoryview[int]:
    return memoryview(mmap.mmap(-1 if file is None else file, _BYTES)).cast("q")
