"""The latest of what has happened, which others can follow.

That of the log is :mod:`unixsvc.telemetry.log_ring`: threads add to it, and its limit is one of bytes.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, succeed

__all__ = ["Follower", "Ring"]

_T = TypeVar("_T")


class Ring(Generic[_T]):
    """Keeps the latest items; the oldest are dropped when there are too many.

    :param limit: how many are kept.
    :ivar dropped: the number of items that were dropped so far.
    """

    def __init__(self, limit: int) -> None:
        self._items: deque[_T] = deque(maxlen=limit)
        self._waiting: list[Deferred[None]] = []
        self._closed = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def end(self) -> int:
        """The number of items that were ever added."""
        return self.dropped + len(self._items)

    def add(self, item: _T) -> None:
        """Add an item, and wake the followers that wait for it."""
        self.dropped += len(self._items) == self._items.maxlen
        self._items.append(item)
        if self._waiting:
            self._wake()

    def close(self) -> None:
        """Let the followers end when they have read everything."""
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:  # it may be cancelled
                each.callback(None)

    def items(self, start: int = 0) -> list[_T]:
        """The items that are kept, from a number on; the first one ever has the number 0."""
        return list(islice(self._items, max(start - self.dropped, 0), None))

    def follow(self) -> Follower[_T]:
        """Return a reader of the items from now on."""
        return Follower(self, self.end)

    def when_added(self, number: int) -> Deferred[None]:
        """Fires when an item with this number has been added or the ring is closed; perhaps at once."""
        if self.end > number or self._closed:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._forget)
        self._waiting.append(waiting)
        return waiting

    def _forget(self, waiting: Deferred[None]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)


class Follower(Generic[_T]):
    """Reads the items of a ring at its own speed.

    It has no buffer of its own: a slow one misses items, and gets their number.

    :param position: the number of the first item that it gets.
    """

    def __init__(self, ring: Ring[_T], position: int) -> None:
        self._ring = ring
        self._position = position

    async def next(self) -> tuple[int, list[_T]]:
        """Wait for items that are new to this follower.

        :returns: how many it has missed since the last call, and the items; none at the end of the ring.
        """
        await self._ring.when_added(self._position)
        return self.take()

    def take(self) -> tuple[int, list[_T]]:
        """Return what :meth:`next` does, without waiting: perhaps no item."""
        missed = max(self._ring.dropped - self._position, 0)
        items = self._ring.items(self._position)
        self._position = self._ring.end
        return missed, items
