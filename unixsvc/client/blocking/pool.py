"""The connections of one blocking client."""

from __future__ import annotations

import os
from contextlib import suppress
from threading import RLock
from typing import Final
from weakref import WeakSet

from unixsvc.client.blocking.connection import BlockingConnection

__all__ = ["BlockingConnectionPool"]

# Seconds without a call after which a connection is looked at before the next one. A call on a connection
# that has ended does no harm, as the service receives nothing of it. But a service that stops announces that
# by goaway, and closes a connection that is idle for another 0.5 s: a call at that moment would be lost.
_CHECK_AFTER: Final = 0.1


class BlockingConnectionPool:
    """The connections of one client. After a fork, the child has none of them.

    The list of idle connections needs no lock: a method of a list is atomic. A lock would take a tenth of the
    time of a call.

    :param limit: how many idle connections are kept. There may be more in use.
    :ivar lock: protects what else the threads of a client share. It is re-entrant, as a signal handler or the
        finalizer of a generator may make a call in a thread that holds it.
    """

    def __init__(self, limit: int) -> None:
        self.lock = RLock()
        self._limit = limit
        self._closed = False
        self._idle: list[BlockingConnection] = []
        self._all: WeakSet[BlockingConnection] = WeakSet()  # weak, as an interrupt may lose one anywhere
        _pools.add(self)

    def __len__(self) -> int:
        """The number of idle connections."""
        return len(self._idle)

    def take(self, now: float) -> BlockingConnection | None:
        """Take the idle connection that was used last, so that surplus ones stay idle.

        :param now: on the monotonic clock, in seconds.
        """
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if now - connection.used < _CHECK_AFTER or connection.is_alive():
                connection.used, connection.fresh = now, False
                return connection
            connection.close()

    def add(self, connection: BlockingConnection, now: float) -> None:
        """Add a new connection, which is in use."""
        connection.used = now
        with self.lock:
            self._all.add(connection)

    def put_back(self, connection: BlockingConnection) -> None:
        """Put a connection back after use. It is closed if a call is pending, or there are enough."""
        state = connection.state
        if state.pending or state.leaving:
            connection.close()
            return
        self._idle.append(connection)
        if len(self._idle) > self._limit or self._closed:
            try:
                self._idle.pop(0).close()
            except IndexError:  # another thread has taken or closed it
                return

    def close(self) -> None:
        """Close all connections, also those in use."""
        self._closed = True
        while self._idle:
            with suppress(IndexError):  # another thread has taken it
                self._idle.pop().close()
        with self.lock:
            in_use = list(self._all)
            self._all.clear()
        for connection in in_use:
            connection.shut_down()

    def leave_to_parent(self) -> None:
        """In a child process: forget all connections."""
        self.lock = RLock()  # another thread of the parent may hold the old one
        connections, self._all = list(self._all), WeakSet()
        self._idle.clear()
        for connection in connections:
            connection.leave_to_parent()


_pools: Final[WeakSet[BlockingConnectionPool]] = WeakSet()


def _leave_to_parent() -> None:
    for pool in _pools:
        pool.leave_to_parent()


os.register_at_fork(after_in_child=_leave_to_parent)
