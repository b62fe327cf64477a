"""Joins Twisted's protocols to the transports of an asyncio loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Hashable
from contextvars import copy_context
from functools import cache, partial
from typing import Any, cast

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IProtocol,
    ISSLTransport,
    ISystemHandle,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.transport.private_apis import mark_awaited

__all__ = ["LoopTransport", "Opening", "SecureLoopTransport", "address_of"]

_log = Logger()

# As many bytes as Twisted's own transports take before they pause a producer, and the loops' own, if they do
# not encrypt.
_FULL = 65_536


@implementer(ITransport, IConsumer, ISystemHandle)
class LoopTransport(asyncio.Protocol):
    """Joins a Twisted protocol to a transport of an asyncio loop, in both directions.

    The two paths that each message takes, received bytes and written ones, lead past it: they are bound
    to each other's methods. Everything else is translated.

    :param gone: called when the connection is lost.
    :param arrived: called when the connection is there, with the number of its descriptor, if the loop's
        own server accepts it: then only this tells of it. All connections of such a server have one context,
        so what an action sets in it would be found by everybody's: they are given one each.
    :ivar connection: the socket, where it is known; to ask the loop's transport for it costs a system call.
    """

    write: Callable[[bytes], None]
    connection: Any = None

    def __init__(
        self,
        protocol: IProtocol,
        address: IAddress,
        gone: Callable[[], object],
        arrived: Callable[[int], object] | None = None,
    ) -> None:
        self._protocol = protocol
        self._address = address
        self._gone = gone
        self._arrived = arrived
        self._run: Callable[..., Any] = _run
        self._transport: Any = None
        self._producer: Any = None
        # Past it, see above.
        if arrived is None:
            self.data_received = protocol.dataReceived  # type: ignore[method-assign]
        else:
            self._run = copy_context().run
            self.data_received = partial(self._run, protocol.dataReceived)  # type: ignore[method-assign,call-arg]

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has a connection."""
        self._transport = transport
        self.write = self._transport.write
        if self._arrived is not None:
            self.connection = transport.get_extra_info("socket")
            self._arrived(self.connection.fileno())
        self._protocol.makeConnection(self)

    def eof_received(self) -> bool:
        """The peer sends no more; True keeps our side open."""
        protocol: Any = self._protocol
        if not _is_half_closeable(protocol.__class__):
            return False
        self._run(protocol.readConnectionLost)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop has closed the connection."""
        self._gone()
        reason = connectionDone if exc is None else Failure(ConnectionLost(str(exc)))
        self._run(self._protocol.connectionLost, reason)
        # They know each other: what is left of a connection would stay until the collector finds it.
        self._producer = None
        del self._protocol, self.data_received

    def pause_writing(self) -> None:
        """More waits to be sent than should."""
        if self._producer is not None:
            self._producer.pauseProducing()

    def resume_writing(self) -> None:
        """What waited has been sent."""
        if self._producer is not None:
            self._producer.resumeProducing()

    # What the protocol calls.

    def writeSequence(self, data: Any) -> None:
        """Write several pieces."""
        self._transport.writelines(data)

    def loseConnection(self) -> None:
        """Close when all is written."""
        self._transport.close()

    def abortConnection(self) -> None:
        """Close now."""
        self._transport.abort()

    def loseWriteConnection(self) -> None:
        """Send no more when all is written, but go on receiving."""
        if not self._transport.is_closing():
            self._transport.write_eof()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a streaming producer told when to pause."""
        if not streaming:
            raise ValueError("only streaming producers are supported")
        self._producer = producer

    def unregisterProducer(self) -> None:
        """Tell the producer no more."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Receive no more for now."""
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
        """The other end; that of a Unix socket has no name."""
        return address_of(self._transport.get_extra_info("peername"))

    def getHost(self) -> Any:
        """Where the connection was made to."""
        return self._address

    def getHandle(self) -> Any:
        """The socket."""
        return self.connection or self._transport.get_extra_info("socket")


@implementer(ISSLTransport)
class SecureLoopTransport(LoopTransport):
    """One whose bytes are encrypted on their way; under that is TCP, which the acceptor has set up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has a connection."""
        cast(asyncio.Transport, transport).set_write_buffer_limits(high=_FULL)
        super().connection_made(transport)

    def getTcpNoDelay(self) -> bool:
        """Whether what is written is sent at once."""
        return bool(self._option(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: Any) -> None:
        """Have what is written sent at once, or not."""
        self._option(socket.IPPROTO_TCP, socket.TCP_NODELAY, bool(enabled))

    def getTcpKeepAlive(self) -> bool:
        """Whether the kernel looks now and then if the other end is there."""
        return bool(self._option(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: Any) -> None:
        """Have the kernel look so, or not."""
        self._option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(enabled))

    def _option(self, level: int, name: int, value: bool | None = None) -> Any:
        connection = self.getHandle()
        if value is None:
            return connection.getsockopt(level, name)
        return connection.setsockopt(level, name, value)

    def getPeerCertificate(self) -> Any:
        """That of the other end, as DER, if it has shown one."""
        connection = self._transport.get_extra_info("ssl_object")
        return connection.getpeercert(binary_form=True)


class Opening:
    """Drives the loop's coroutine that opens a transport, without the price of a Task.

    A Task for each connection cost a fifth of the connections a second.

    :param coroutine: as ``connect_accepted_socket`` gives it.
    :param failed: called if there will be no connection, as where a client knows nothing of encryption.
    """

    __slots__ = ("_coroutine", "_failed")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], failed: Callable[[], object]) -> None:
        self._coroutine = coroutine
        self._failed = failed
        self(None)

    def __call__(self, _: object) -> None:
        """Go on, as what was waited for is there."""
        try:
            future = self._coroutine.send(None)
        except StopIteration:
            return
        except OSError as error:  # also what ssl raises
            _log.debug("a connection cannot be opened: {error}", error=error)
            self._failed()
            return
        mark_awaited(future)
        future.add_done_callback(self)


def _run(call: Callable[..., object], *arguments: object) -> object:
    """Where the loop has seen to the context."""
    return call(*arguments)


@cache  # there are few kinds, and many connections
def _is_half_closeable(kind: Hashable) -> bool:
    return bool(IHalfCloseableProtocol.implementedBy(kind))


def address_of(name: Any) -> IAddress:
    """What Twisted calls an address, from what a socket calls one."""
    if isinstance(name, tuple):
        host, port, *rest = name
        return IPv6Address("TCP", host, port, *rest) if rest else IPv4Address("TCP", host, port)
    return UNIXAddress(name or None)
