"""Which of several connections carries the next call. Pure."""

from __future__ import annotations

from unixsvc.client.multiplexer import Multiplexer

__all__ = ["ConnectionPool"]


class ConnectionPool:
    """The connections of one client to one service.

    :param limit: how many there may be, not counting those that the service asked to close (goaway).
    """

    def __init__(self, limit: int = 4) -> None:
        self._limit = limit
        self._connections: list[Multiplexer] = []

    def __len__(self) -> int:
        return len(self._connections)

    def choose(self) -> Multiplexer | None:
        """The connection with the fewest pending calls.

        :returns: None if a new connection is better: all are busy, and the limit is not reached.
        """
        chosen, fewest, usable = None, 0, 0
        for multiplexer in self._connections:  # a plain loop, as it runs for each call
            connection = multiplexer.connection
            if connection.leaving:
                continue
            usable += 1
            calls = len(connection.pending)
            if not calls:
                return multiplexer
            if chosen is None or calls < fewest:
                chosen, fewest = multiplexer, calls
        return chosen if usable >= self._limit else None

    def choose_on(self, host: str) -> Multiplexer | None:
        """The connection to one host with the fewest pending calls; None if there is none.

        :param host: empty for this host.
        """
        usable = [each for each in self._connections if each.host == host and not each.connection.leaving]
        return min(usable, key=lambda each: len(each.connection.pending), default=None)

    def to_other_hosts(self) -> list[Multiplexer]:
        """The connections to other hosts that take calls."""
        return [each for each in self._connections if each.host and not each.connection.leaving]

    def add(self, multiplexer: Multiplexer) -> None:
        """Add a new connection."""
        self._connections.append(multiplexer)

    def discard(self, multiplexer: Multiplexer) -> None:
        """Remove a connection that was lost; no effect if it is not in the pool."""
        if multiplexer in self._connections:
            self._connections.remove(multiplexer)

    def close(self) -> None:
        """Close every connection."""
        for multiplexer in list(self._connections):
            multiplexer.close()
