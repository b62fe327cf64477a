"""How many connections each worker of a service has: a page of memory that all of them share."""

from __future__ import annotations

import mmap
import os
import weakref
from typing import Final

__all__ = ["ConnectionCounts", "WorkerSlot"]

_BYTES: Final = 16_384
_ENTRIES: Final = _BYTES // 8
_PLACES: Final = _ENTRIES // 2
# What stands for a worker that accepts nobody: more than anybody can have.
_NOBODY: Final = 2**62


class ConnectionCounts:
    """The page, as its owner sees it: gives each worker a place to write to.

    The first entry tells how far the places in use go. The rest of the first half are the connections that
    each worker has, and the second half how many each has ever accepted. Each entry has one writer, and an
    aligned word of eight bytes is written at once, so nobody needs a lock.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("unixsvc-tally", os.MFD_CLOEXEC)
        self._close = weakref.finalize(self, os.close, self._file)
        os.ftruncate(self._file, _BYTES)
        self._entries = _entries(self._file)
        self._taken: set[int] = set()

    def fileno(self) -> int:
        """The descriptor, for the workers."""
        return self._file

    def take(self) -> int:
        """A place for one more worker; 0, which is none, if there are too many."""
        free = (each for each in range(1, _PLACES) if each not in self._taken)
        place = next(free, 0)
        if place:
            self._entries[place] = _NOBODY
            self._taken.add(place)
            self._entries[0] = max(self._taken)
        return place

    def free(self, place: int) -> None:
        """The worker of a place is gone, whether it has said so or not."""
        self._taken.discard(place)
        if place:
            self._entries[place] = _NOBODY
            self._entries[0] = max(self._taken, default=0)

    def close(self) -> None:
        """Nobody has a place any more."""
        self._entries.release()
        self._close()


class WorkerSlot:
    """The page, as one worker sees it.

    :param file: the descriptor of the page; None for a worker that has no siblings to share with.
    :param number: as :meth:`ConnectionCounts.take` has given it.
    :ivar mine: how many connections we have.
    """

    def __init__(self, file: int | None = None, number: int = 0) -> None:
        self._apart = file is not None and not number  # there are more siblings than places
        if file is None or not number:
            file, number = None, 1
        self._entries = _entries(file)
        self._number = number
        if file is None:
            self._entries[0] = 1
        self._joined = False
        self._ever = self._entries[_PLACES + number]
        self.mine = 0

    def join(self) -> None:
        """Have the others know that we accept."""
        self._joined = True
        self._entries[self._number] = self.mine

    def leave(self) -> None:
        """Have the others know that we accept nobody any more."""
        self._joined = False
        self._entries[self._number] = _NOBODY

    def came(self) -> None:
        """One more is here."""
        self.mine += 1
        self._ever += 1
        self._entries[_PLACES + self._number] = self._ever
        if self._joined:
            self._entries[self._number] = self.mine

    def went(self) -> None:
        """One is gone."""
        self.mine -= 1
        if self._joined:
            self._entries[self._number] = self.mine

    def least(self) -> int:
        """How many connections the worker has that has the fewest, of those that accept."""
        entries = self._entries
        if entries[0] == 1:
            return entries[1]  # for each client, so what is usual is not made a list of
        return min(self._counts(), default=_NOBODY)

    def is_alone(self) -> bool:
        """Whether nobody else accepts."""
        entries, mine = self._entries, self._number
        if self._apart:
            return False
        for number in range(1, entries[0] + 1):  # noqa: SIM110  # for each client, and a generator is dearer
            if number != mine and entries[number] != _NOBODY:
                return False
        return True

    def neediest(self) -> tuple[int, int]:
        """The place of that worker, and how many connections it has ever accepted."""
        counts = self._counts()
        number = counts.index(min(counts)) + 1 if counts else self._number
        return number, self._entries[_PLACES + number]

    def _counts(self) -> list[int]:
        return self._entries[1 : self._entries[0] + 1].tolist()


def _entries(file: int | None) -> memoryview[int]:
    return memoryview(mmap.mmap(-1 if file is None else file, _BYTES)).cast("q")
