"""Replacements for sockets and threads, in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.internet.testing import StringTransport
from zope.interface import implementer

from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.domain.json import Json
from unixsvc.transport.interfaces import IWriteBuffer

__all__ = ["ImmediateRunner", "MemoryEndpoint", "MemoryTransport"]

T = TypeVar("T")


@implementer(IBlockingRunner)
class ImmediateRunner:
    """Runs blocking functions in the calling thread, at once."""

    def run(self, function: Callable[[], T]) -> Deferred[T]:
        """Call a function."""
        return maybeDeferred(function)


@implementer(IWriteBuffer)
class MemoryTransport(StringTransport):
    """Records writes, and how it is closed; can apply back-pressure.

    :ivar closed: ``lose`` or ``abort``; ``half`` if only its sending side is closed; empty while it is open.
    :ivar slow: if True, it pauses its producer after each write.
    :ivar unsent: the number of bytes that the peer does not take.
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed = ""
        self.slow = False
        self.unsent = 0

    def write(self, data: bytes) -> None:
        """Record bytes."""
        if self.io.closed:  # by the garbage collector, before a stream that sends its cancel
            return
        super().write(data)
        if self.slow and data and self.producer is not None:
            self.producer.pauseProducing()

    def write_buffer_size(self) -> int:
        """The number of bytes that the test has set."""
        return self.unsent

    def loseConnection(self) -> None:
        """Record a close after the last write."""
        self.closed = "lose"

    def abortConnection(self) -> None:
        """Record an immediate close."""
        self.closed = "abort"

    def loseWriteConnection(self) -> None:
        """Record a close of the sending side."""
        self.closed = "half"

    @property
    def reading(self) -> bool:
        """True if the producer is not paused."""
        return self.producerState == "producing"

    def lines(self) -> list[Json]:
        """The messages that were written since the last call, decoded from JSON."""
        text = self.value()
        self.clear()
        return [msgspec.json.decode(line) for line in text.splitlines()]


@implementer(IStreamServerEndpoint, IListeningPort)
class MemoryEndpoint:
    """An endpoint to which only tests connect; it is its own port.

    :ivar listening: True while it accepts connections.
    """

    def __init__(self) -> None:
        self.listening = False
        self._factory: IProtocolFactory | None = None

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept connections."""
        self._factory, self.listening = protocolFactory, True
        return succeed(self)

    def startListening(self) -> None:
        """It listens already."""

    def stopListening(self) -> Deferred[None]:
        """Stop accepting connections."""
        self.listening = False
        return succeed(None)

    def getHost(self) -> UNIXAddress:
        """An empty address."""
        return UNIXAddress(None)

    def connect(self) -> tuple[Any, MemoryTransport]:
        """Connect a client: the server's protocol, of any class, and its transport."""
        transport = MemoryTransport()
        return self.accept(transport), transport

    def accept(self, transport: MemoryTransport) -> Any:
        """Accept a connection over a transport; the server's protocol.

        :raises ConnectionRefusedError: if nothing listens, or the factory refuses the connection.
        """
        protocol = None if self._factory is None else self._factory.buildProtocol(UNIXAddress(None))
        if protocol is None:
            raise ConnectionRefusedError
        protocol.makeConnection(transport)
        return protocol
