"""What stands in for sockets and threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from unixsvc.domain.interfaces import IBlockingRunner

__all__ = ["ImmediateRunner", "MemoryEndpoint", "MemoryTransport"]


@implementer(IBlockingRunner)
class ImmediateRunner:
    """Calls what blocks here and now, so that a test need not wait for a thread."""

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        """Call the function."""
        return maybeDeferred(function)


class MemoryTransport(StringTransport):
    """Notes what a connection does to it, and can be slow to take what is written.

    :ivar closed: how it was closed: ``lose``, ``abort``; ``half`` if only the sending side is; or empty.
    :ivar slow: whether it pauses its producer as soon as anything is written.
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed = ""
        self.slow = False

    def write(self, data: bytes) -> None:
        """Keep what is written."""
        if self.io.closed:  # the collector has found both ends, and this one first: a stream may say goodbye
            return
        super().write(data)
        if self.slow and data and self.producer is not None:
            self.producer.pauseProducing()

    def loseConnection(self) -> None:
        """Close when all is written."""
        self.closed = "lose"

    def abortConnection(self) -> None:
        """Close now."""
        self.closed = "abort"

    def loseWriteConnection(self) -> None:
        """Close the sending side."""
        self.closed = "half"

    @property
    def reading(self) -> bool:
        """Whether the connection wants more bytes."""
        return self.producerState == "producing"

    def lines(self) -> list[Any]:
        """What was written since the last call, decoded."""
        text = self.value()
        self.clear()
        return [msgspec.json.decode(line) for line in text.splitlines()]


@implementer(IStreamServerEndpoint, IListeningPort)
class MemoryEndpoint:
    """Where nobody but the test connects; it is its own port.

    :ivar listening: whether it accepts.
    """

    def __init__(self) -> None:
        self.listening = False
        self._factory: Any = None

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept."""
        self._factory, self.listening = protocolFactory, True
        return succeed(self)

    def startListening(self) -> None:
        """It listens from the start."""

    def stopListening(self) -> Deferred[None]:
        """Accept nothing more."""
        self.listening = False
        return succeed(None)

    def getHost(self) -> Any:
        """It has no address."""

    def connect(self) -> tuple[Any, MemoryTransport]:
        """Connect a client: the server's protocol, and its transport."""
        transport = MemoryTransport()
        return self.accept(transport), transport

    def accept(self, transport: MemoryTransport) -> Any:
        """Have a client that comes over a transport; the server's protocol."""
        connection = self._factory.buildProtocol(None)
        connection.makeConnection(transport)
        return connection
