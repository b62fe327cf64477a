"""The real client, joined to a service in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from unixsvc.client.location import Credentials
from unixsvc.client.twisted.client import Client
from unixsvc.client.twisted.protocol import TwistedClientProtocol
from unixsvc.testing.memory import MemoryEndpoint, MemoryTransport

__all__ = ["MemoryClient"]


class _Wire(MemoryTransport):
    """What is written to it arrives at the other end; when one end is closed, so is the other."""

    other: _Wire

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None

    def write(self, data: bytes) -> None:
        """Have it arrive."""
        if not self.closed and not self.other.closed:
            self.other.protocol.dataReceived(data)

    def loseConnection(self) -> None:
        """Close both ends."""
        if not self.closed:
            self.closed = "lose"
            self.protocol.connectionLost(Failure(ConnectionDone()))
            self.other.loseConnection()

    def abortConnection(self) -> None:
        """Likewise."""
        self.loseConnection()


class MemoryClient(Client):
    """Connects to an endpoint in memory.

    :param clock: that time-outs and pauses go by.
    """

    def __init__(self, endpoint: MemoryEndpoint, token: str | None, clock: Any, **options: Any) -> None:
        super().__init__("memory", socket_dir="/", token="", reactor=clock, **options)
        self._endpoint = endpoint
        self._shown = token

    def _connect(self) -> TwistedClientProtocol:
        link = TwistedClientProtocol(Credentials(self._shown), self._reactor, self._links.discard)
        ours, theirs = _Wire(), _Wire()
        ours.other, theirs.other = theirs, ours
        ours.protocol, theirs.protocol = link, self._endpoint.accept(theirs)
        link.makeConnection(ours)
        return link
