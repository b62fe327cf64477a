"""Connects Twisted's protocols to the transports of an asyncio event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Hashable, Iterable
from functools import cache
from typing import Any, ClassVar, cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IProducer,
    IProtocol,
    IPushProducer,
    ISystemHandle,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.telemetry.limited_logger import LimitedLogger
from unixsvc.transport.interfaces import ISocketWriting, IWriteBuffer
from unixsvc.transport.private_apis import mark_awaited
from unixsvc.transport.socket_writer import SocketWriter

__all__ = ["ConnectionOpener", "LoopTransport", "address_of"]

_log = LimitedLogger(__name__)


@implementer(ITransport, IConsumer, ISocketWriting, ISystemHandle, IWriteBuffer)
class LoopTransport(asyncio.Protocol):
    """Connects a Twisted protocol to a transport of an asyncio event loop, in both directions.

    Received and written bytes bypass this object: its methods for them are those of the protocol and of the
    loop's transport. Everything else is translated.

    :param address: of the listening socket.
    :param lost: called when the connection is lost.
    :param start: called when the loop has begun to read, before the protocol receives anything: some bytes
        may have been received before there was a transport.
    :ivar secure: whether the connection is encrypted.
    :ivar connection: the socket, where it is known: the loop's transport makes a system call to return it.
    """

    write: Callable[[bytes], None]
    connection: socket.socket | None = None
    secure: ClassVar[bool] = False

    def __init__(
        self,
        protocol: IProtocol,
        address: IAddress,
        lost: Callable[[], object],
        start: Callable[[], object] | None = None,
    ) -> None:
        self._protocol = protocol
        self._address = address
        self._lost = lost
        self._transport: asyncio.Transport
        self._producer: IPushProducer | None = None
        self._start = start
        if start is None:
            self.data_received = protocol.dataReceived  # type: ignore[method-assign]  # see above

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has a connection."""
        self._transport = cast(asyncio.Transport, transport)
        self.start_writing()
        self._protocol.makeConnection(self)

    def start_writing(self) -> None:
        """Make :meth:`write` that of the loop's transport."""
        self.write = self._transport.write

    def start(self) -> None:
        """The loop has begun to read."""
        start, self._start = self._start, None
        if start is not None:
            self.data_received = self._protocol.dataReceived  # type: ignore[method-assign]
            self._transport.set_protocol(self)  # the loop's transport keeps the method as well
            start()

    def data_received(self, data: bytes) -> None:
        """The loop has received bytes, before :meth:`start` was called, or after the connection was lost."""
        if self._start is not None:
            self.start()
            self.data_received(data)

    def eof_received(self) -> bool:
        """The peer sends no more; True keeps the sending side open."""
        if self._start is not None:
            self.start()
        protocol = self._protocol
        if not _is_half_closeable(protocol.__class__):
            return False
        cast(IHalfCloseableProtocol, protocol).readConnectionLost()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop has closed the connection."""
        if self._start is not None:
            self.start()
        self._lost()
        reason = connectionDone if exc is None else Failure(ConnectionLost(str(exc)))
        self._protocol.connectionLost(reason)
        # They refer to each other: a cycle would keep both until the garbage collector finds them.
        self._producer = None
        del self._protocol, self.data_received

    def pause_writing(self) -> None:
        """The write buffer is full."""
        if self._producer is not None:
            self._producer.pauseProducing()

    def resume_writing(self) -> None:
        """The write buffer has room again."""
        if self._producer is not None:
            self._producer.resumeProducing()

    # What the protocol calls.

    @property
    def disconnecting(self) -> bool:
        """Whether the connection is being closed; protocols such as ``LineReceiver`` ask."""
        return self._transport.is_closing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write several pieces."""
        self._transport.writelines(data)

    def write_buffer_size(self) -> int:
        """The number of bytes that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size()

    def socket_writer(self) -> SocketWriter | None:
        """What writes to the socket; None while the transport itself has something to write.

        :raises OSError: if no file descriptor is left.
        """
        if self._transport.is_closing() or self._transport.get_write_buffer_size():
            return None
        return SocketWriter(self.getHandle().fileno())

    def loseConnection(self) -> None:
        """Close when all is written."""
        self._transport.close()

    def abortConnection(self) -> None:
        """Close now."""
        self._transport.abort()

    def loseWriteConnection(self) -> None:
        """Shut down the sending side when all is written, and go on receiving."""
        if not self._transport.is_closing():
            self._transport.write_eof()

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Pause a streaming producer while the write buffer is full.

        :raises ValueError: for a producer that is not streaming.
        """
        if not streaming:
            raise ValueError("only streaming producers are supported")
        self._producer = cast(IPushProducer, producer)

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Stop to receive."""
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resumeProducing(self) -> None:
        """Receive again."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def stopProducing(self) -> None:
        """Close when all is written."""
        self.loseConnection()

    def getPeer(self) -> Any:
        """The address of the peer; that of a Unix socket has no name. Any: subclasses have other families."""
        return address_of(self._transport.get_extra_info("peername"))

    def getHost(self) -> Any:
        """The address that the client connected to."""
        return self._address

    def getHandle(self) -> Any:
        """The socket."""
        return self.connection or self._transport.get_extra_info("socket")


class ConnectionOpener:
    """Drives the loop's coroutine that makes a transport, without a Task.

    A Task for each connection cost a fifth of the connections per second.

    :param coroutine: of ``connect_accepted_socket``.
    :param failed: called if no connection is made, as for a client that does not speak TLS.
    :param made: called when the connection is made, and the loop has begun to read.
    """

    __slots__ = ("_coroutine", "_failed", "_made")

    def __init__(
        self,
        coroutine: Coroutine[object, None, object],
        failed: Callable[[], object],
        made: Callable[[], object] | None = None,
    ) -> None:
        self._coroutine = coroutine
        self._failed = failed
        self._made = made
        self(None)

    def __call__(self, _: object) -> None:
        """Continue, as the future that the coroutine awaits is done."""
        try:
            future = cast("asyncio.Future[object]", self._coroutine.send(None))
        except StopIteration:
            if self._made is not None:
                self._made()
            return
        except OSError as error:  # also what ssl raises
            message = "a connection cannot be opened: {error}"
            _log.emit("debug", "connections that cannot be opened", message, error=error)
            self._failed()
            return
        mark_awaited(future)
        future.add_done_callback(self)


@cache  # there are few classes and many connections
def _is_half_closeable(protocol_class: Hashable) -> bool:
    return bool(IHalfCloseableProtocol.implementedBy(protocol_class))


def address_of(name: object) -> IAddress:
    """Twisted's form of a socket's address.

    :param name: as ``getsockname()`` and ``getpeername()`` return it.
    """
    if isinstance(name, tuple):
        host, port, *rest = name
        return IPv6Address("TCP", host, port, *rest) if rest else IPv4Address("TCP", host, port)
    return UNIXAddress(cast("str | bytes | None", name) or None)
