"""Which of several connections carries the next call."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from unixsvc.client.connection import ClientConnection

__all__ = ["ConnectionPool", "PooledConnection"]


class PooledConnection(Protocol):
    """One connection."""

    conversation: ClientConnection


L = TypeVar("L", bound=PooledConnection)


class ConnectionPool(Generic[L]):
    """The connections of one client to one service.

    :param most: how many there may be, not counting those that are about to go.
    """

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._links: list[L] = []

    def __len__(self) -> int:
        return len(self._links)

    def choose(self) -> L | None:
        """The one with the fewest calls; None where a new one is better: all are busy, and more may be."""
        least, fewest, usable = None, 0, 0
        for each in self._links:  # a loop, as it is done for each call
            conversation = each.conversation
            if conversation.leaving:
                continue
            usable += 1
            calls = len(conversation.sizes)  # it has a length itself, at twice the price
            if not calls:
                return each
            if least is None or calls < fewest:
                least, fewest = each, calls
        return least if usable >= self._most else None

    def add(self, link: L) -> None:
        """There is one more."""
        self._links.append(link)

    def discard(self, link: L) -> None:
        """It is gone."""
        if link in self._links:
            self._links.remove(link)

    def idle(self) -> list[L]:
        """Those that have nothing more to do: they are to go, and all is answered."""
        return [each for each in self._links if each.conversation.leaving and not each.conversation]

    def all(self) -> list[L]:
        """Every one."""
        return list(self._links)
