"""The real client, joined to a service in memory."""

from __future__ import annotations

from typing import Unpack

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IReactorTime
from twisted.python.failure import Failure

from unixsvc.client.base import ClientOptions
from unixsvc.client.discovery.location import Credentials, ServiceLocation
from unixsvc.client.errors import ServiceUnreachable
from unixsvc.client.multiplexer import Multiplexer
from unixsvc.client.twisted.client import Client
from unixsvc.client.twisted.protocol import TwistedClientProtocol
from unixsvc.testing.memory import MemoryEndpoint, MemoryTransport

__all__ = ["MemoryClient"]


class _PipeEnd(MemoryTransport):
    """One end of a pipe: bytes that are written arrive at the other end; closing one end closes both."""

    protocol: IProtocol
    other: _PipeEnd

    def write(self, data: bytes) -> None:
        """Deliver bytes to the other end."""
        if not self.closed and not self.other.closed:
            self.other.protocol.dataReceived(data)

    def loseConnection(self) -> None:
        """Close both ends."""
        if not self.closed:
            self.closed = "lose"
            self.protocol.connectionLost(Failure(ConnectionDone()))
            self.other.loseConnection()

    def abortConnection(self) -> None:
        """Close both ends."""
        self.loseConnection()


class MemoryClient(Client):
    """Connects to an endpoint in memory.

    :param clock: the clock for timeouts and pauses.
    """

    def __init__(
        self,
        endpoint: MemoryEndpoint,
        credentials: Credentials,
        clock: IReactorTime,
        **options: Unpack[ClientOptions],
    ) -> None:
        options["location"] = ServiceLocation("/", credentials)
        super().__init__("memory", reactor=clock, **options)
        self._endpoint = endpoint

    def _open_connection(self, host: str | None = None) -> Multiplexer:
        if not self._endpoint.listening:
            remedy = "a MemoryService can be called until it is closed"
            raise ServiceUnreachable("memory", "no process listens", remedy)
        protocol = TwistedClientProtocol(self._finder.find().credentials, self._clock, self._pool.discard)
        ours, theirs = _PipeEnd(), _PipeEnd()
        ours.other, theirs.other = theirs, ours
        ours.protocol, theirs.protocol = protocol, self._endpoint.accept(theirs)
        protocol.makeConnection(ours)
        return protocol.multiplexer
