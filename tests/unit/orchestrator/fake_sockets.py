"""The Unix sockets of a reactor, in memory."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import unix
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IListeningPort, ISystemHandle
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.testing import MemoryTransport

__all__ = ["Port", "Sockets"]


@implementer(IListeningPort)
class Port:
    """A listening port that tests connect to.

    :ivar open: whether it accepts.
    """

    def __init__(self, factory: Any) -> None:
        self._factory = factory
        self.open = True

    def startListening(self) -> None:
        """Do nothing: it listens from its creation."""

    def stopListening(self) -> Deferred[None]:
        """Stop to accept."""
        self.open = False
        return succeed(None)

    def getHost(self) -> Any:
        """Do nothing: it has no address."""

    def connect(self) -> tuple[Any, MemoryTransport]:
        """Connect a client; the protocol of the server and its transport."""
        assert self.open
        connection, transport = self._factory.buildProtocol(None), MemoryTransport()
        connection.makeConnection(transport)
        return connection, transport


@implementer(ISystemHandle)
class _Joined(StringTransport):
    """One side of a connection between two protocols of this process.

    :param descriptor: a connected socket, for the credentials of its peer.
    """

    def __init__(self, reactor: Any, protocol: Any, descriptor: int) -> None:
        super().__init__()
        self._socket = socket.socket(fileno=os.dup(descriptor))
        self._reactor = reactor
        self.protocol = protocol
        self.other: Any = None

    def write(self, data: bytes) -> None:
        """Deliver the data to the other side."""
        self.other.protocol.dataReceived(data)

    def getHandle(self) -> socket.socket:
        """The socket."""
        return self._socket

    def writeSequence(self, data: Any) -> None:
        """Deliver several pieces."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Close both sides in the next turn."""
        for each in self, self.other:
            each.getHandle().close()
            self._reactor.callLater(0, each.protocol.connectionLost, Failure(ConnectionDone()))

    abortConnection = loseConnection


class Sockets:
    """A mix-in for a reactor that has a clock.

    :ivar ports: the ports that were opened, by path.
    :ivar readers: the other readers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ports: dict[str, Port] = {}
        self._open: dict[Any, Port] = {}
        self.readers: list[Any] = []
        self._adopted: _Joined | None = None

    def addReader(self, reader: Any) -> None:
        """Note a listening port or another reader; none is ever readable."""
        if isinstance(reader, unix.Port):
            self.ports[reader.socket.getsockname()] = self._open[reader] = Port(reader.factory)
        else:
            self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Close the port."""
        if reader in self._open:
            self._open.pop(reader).open = False
        if reader in self.readers:
            self.readers.remove(reader)

    def removeWriter(self, writer: Any) -> None:
        """Do nothing: nothing is ever written by the reactor."""

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        """Adopt one side of a socket pair; the next call adopts the other side."""
        joined, self._adopted = _Joined(self, factory.buildProtocol(None), descriptor), self._adopted
        if self._adopted is None:
            self._adopted = joined
            return
        joined.other, self._adopted.other = self._adopted, joined
        sides, self._adopted = (self._adopted, joined), None
        for each in sides:
            each.protocol.makeConnection(each)
