"""The connections of one blocking client."""

from __future__ import annotations

import os
from threading import RLock
from weakref import WeakSet

from unixsvc.client.blocking.connection import BlockingConnection

__all__ = ["BlockingConnectionPool"]


class BlockingConnectionPool:
    """The connections of one client in one process.

    :param limit: how many idle connections are kept. There may be more in use.
    :ivar pid: the process.
    :ivar lock: protects what the threads of a client share. It is re-entrant, as a signal handler or the
        finalizer of a generator may make a call in a thread that holds it.
    """

    def __init__(self, limit: int) -> None:
        self.pid = os.getpid()
        self.lock = RLock()
        self._limit = limit
        self._idle: list[BlockingConnection] = []
        self._all: WeakSet[BlockingConnection] = WeakSet()  # weak, as an interrupt may lose one anywhere

    def __len__(self) -> int:
        """The number of idle connections."""
        return len(self._idle)

    def take(self) -> BlockingConnection | None:
        """Take the idle connection that was used last, so that surplus ones stay idle."""
        while True:
            with self.lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
            if connection.is_alive():
                return connection
            connection.close()

    def add(self, connection: BlockingConnection) -> None:
        """Add a new connection, which is in use."""
        with self.lock:
            self._all.add(connection)

    def put_back(self, connection: BlockingConnection) -> None:
        """Put a connection back after use. It is closed if a call is pending, or there are enough."""
        with self.lock:
            if connection.reusable and len(self._idle) < self._limit and connection in self._all:
                self._idle.append(connection)
                return
            self._all.discard(connection)
        connection.close()

    def close(self) -> None:
        """Close all connections, also those in use."""
        with self.lock:
            idle, self._idle = self._idle, []
            busy = [connection for connection in self._all if connection not in idle]
            self._all.clear()
        for connection in idle:
            connection.close()
        for connection in busy:
            connection.shut_down()
