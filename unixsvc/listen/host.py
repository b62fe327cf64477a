"""Connections without a transport, and what serves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IProtocol

__all__ = ["Callback", "ConnectionHost", "ReadableConnection"]

Callback = Callable[[], object]


class ReadableConnection(Protocol):
    """A connection without a transport that waits for its peer."""

    def readable(self) -> None:
        """The peer has sent something, or is disconnected."""


class ConnectionHost(Protocol):
    """What an acceptor does for connections without a transport."""

    @property
    def watch(self) -> Callable[[int, ReadableConnection], None]:
        """Begins to report when a connection is readable."""

    def unwatch(self, descriptor: int, *, closes: bool) -> None:
        """Report no more.

        :param closes: the connection is closed next.
        """

    def connect(self, descriptor: int, protocol: IProtocol, start: Callback, failed: Callback) -> None:
        """Make a transport for a connection that is not watched, and own it from now on.

        :param protocol: of the connection.
        :param start: called when the transport has begun to read, before the protocol receives anything.
        :param failed: called if no transport can be made; the connection is closed.
        """

    @property
    def closed(self) -> Callable[[], None]:
        """Notes that a connection that was kept open is closed, without a transport."""
