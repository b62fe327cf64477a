"""Waits for many connections that have no transport."""

from __future__ import annotations

import asyncio
import select
from typing import Final

from unixsvc.listen.host import ReadableConnection

__all__ = ["ReadableWatch"]

# Connections that are reported before others have their turn.
_TURN: Final = 64
_EPOLLIN: Final = select.EPOLLIN


class ReadableWatch:
    """An epoll instance of its own, which the event loop watches like a connection.

    So a connection costs one system call. ``loop.add_reader`` makes five, and an object for each.

    :param loop: reports that a connection is readable.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: dict[int, ReadableConnection] = {}
        self._epoll = epoll = select.epoll()
        # Bound once, as they are called for each connection.
        self._register, self._poll = epoll.register, epoll.poll
        self._ended = False
        loop.add_reader(epoll.fileno(), self._readable)

    def add(self, descriptor: int, connection: ReadableConnection) -> None:
        """Report when a connection is readable."""
        self._register(descriptor, _EPOLLIN)
        self._waiting[descriptor] = connection

    def remove(self, descriptor: int, *, closes: bool) -> None:
        """Report no more.

        :param closes: the connection is closed next, which ends the kernel's part as well.
        """
        del self._waiting[descriptor]
        if not closes:
            self._epoll.unregister(descriptor)
        if self._ended:
            self._close_if_empty()

    def end(self) -> None:
        """Release the kernel's resources when no connection waits any more."""
        self._ended = True
        self._close_if_empty()

    def _readable(self) -> None:
        waiting = self._waiting
        for descriptor, _ in self._poll(0, _TURN):
            connection = waiting.get(descriptor)
            if connection is not None:  # an earlier one may have removed it
                connection.readable()

    def _close_if_empty(self) -> None:
        if not self._waiting:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
