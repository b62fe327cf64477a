"""One connection of a Twisted client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from unixsvc.client.deadline_timer import CallLater
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.multiplexer import Multiplexer

__all__ = ["Clock", "TwistedClientProtocol"]


class Clock(Protocol):
    """The part of ``IReactorTime`` that a client needs."""

    seconds: Callable[[], float]
    callLater: CallLater


class TwistedClientProtocol(TwistedProtocol):
    """Joins a multiplexer to a Twisted transport.

    :param disconnected: called when the connection is lost.
    """

    transport: ITCPTransport | None = None

    def __init__(
        self, credentials: Credentials, clock: Clock, disconnected: Callable[[Multiplexer], object]
    ) -> None:
        self.multiplexer = Multiplexer(credentials, clock.seconds, clock.callLater, self, disconnected)
        self.dataReceived = self.multiplexer.data_received  # type: ignore[method-assign]  # saves a call
        self._closed = False

    def connectionMade(self) -> None:
        """Send the calls that were made before."""
        if self.transport is not None:
            self.multiplexer.connected(self.transport.write)
            if self._closed:
                self.transport.loseConnection()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """Fail all pending calls."""
        self.multiplexer.connection_lost()

    def close(self) -> None:
        """Close the connection after everything is written."""
        self._closed = True
        if self.transport is not None:
            self.transport.loseConnection()

    def abort(self) -> None:
        """Close the connection now."""
        if self.transport is not None:
            self.transport.abortConnection()

    def after_callbacks(self, flush: Callable[[], None]) -> None:
        """A Deferred calls its callbacks when it fires, so they have run."""
        flush()
