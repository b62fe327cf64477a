"""Endpoints for Unix sockets: one that a worker is handed, and one that this process owns."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamServerEndpoint,
    ISystemHandle,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.interfaces import IAdoptingEndpoint
from unixsvc.socket.accepting import Acceptor
from unixsvc.socket.tally import Place

__all__ = ["AdoptedUNIXServerEndpoint", "LoopTransport", "OwnedUNIXServerEndpoint"]

# As many bytes as Twisted's own transports take before they pause a producer.
_FULL = 65_536


@implementer(ITransport, IConsumer, ISystemHandle)
class LoopTransport(asyncio.Protocol):
    """Joins a Twisted protocol to a transport of an asyncio loop, in both directions.

    The two paths that each message takes, received bytes and written ones, lead past it: they are bound
    to each other's methods. Everything else is translated.

    :param gone: called when the connection is lost.
    """

    write: Callable[[bytes], None]

    def __init__(self, protocol: IProtocol, address: UNIXAddress, gone: Callable[[], object]) -> None:
        self._protocol = protocol
        self._address = address
        self._gone = gone
        self._transport: Any = None
        self._producer: Any = None
        self.data_received = protocol.dataReceived  # type: ignore[method-assign]  # past it, see above

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has a connection."""
        self._transport = transport
        self._transport.set_write_buffer_limits(high=_FULL)
        self.write = self._transport.write
        self._protocol.makeConnection(self)

    def eof_received(self) -> bool:
        """The peer sends no more; True keeps our side open."""
        if not IHalfCloseableProtocol.providedBy(self._protocol):
            return False
        IHalfCloseableProtocol(self._protocol).readConnectionLost()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """The loop has closed the connection."""
        self._gone()
        self._protocol.connectionLost(Failure(ConnectionDone() if exc is None else ConnectionLost(str(exc))))

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

    def getPeer(self) -> IAddress:
        """The other end, which has no name."""
        return UNIXAddress(None)

    def getHost(self) -> IAddress:
        """The path."""
        return self._address

    def getHandle(self) -> Any:
        """The socket."""
        return self._transport.get_extra_info("socket")


@implementer(IStreamServerEndpoint, IAdoptingEndpoint)
class AdoptedUNIXServerEndpoint:
    """A listening socket that another process has bound, served by an asyncio loop's own transports.

    Twisted's ``adoptStreamPort`` would set the path's mode to 0666, the backlog to 50, and remove the
    path at the end (twisted #10261); its reactor over uvloop would read and write each socket in Python.

    :param loop: that the reactor runs on.
    :param listening: already bound and listening, perhaps shared with other workers.
    :param place: where the connections are counted that come through it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, listening: socket.socket, place: Place) -> None:
        self._loop = loop
        self._listening = listening
        self._place = place
        self._address = UNIXAddress(listening.getsockname())

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept."""
        protocolFactory.doStart()
        acceptor = Acceptor(self._loop, self._listening, partial(self._build, protocolFactory), self._place)
        acceptor.startListening()
        return succeed(acceptor)

    def adopt(self, protocolFactory: IProtocolFactory, connection: socket.socket) -> Deferred[None]:
        """Serve a connection that is there already."""

        def connected() -> LoopTransport:
            transport = self._build(protocolFactory, _nothing)
            if transport is None:
                raise ConnectionRefusedError("the factory wants no more connections")
            return transport

        async def adopt() -> None:
            await self._loop.connect_accepted_socket(connected, connection)

        return Deferred.fromFuture(asyncio.ensure_future(adopt(), loop=self._loop))

    def _build(self, factory: IProtocolFactory, gone: Callable[[], object]) -> LoopTransport | None:
        protocol = factory.buildProtocol(self._address)
        return None if protocol is None else LoopTransport(protocol, self._address, gone)


def _nothing() -> None:
    pass


@implementer(IStreamServerEndpoint, IAdoptingEndpoint)
class OwnedUNIXServerEndpoint:
    """A :class:`UNIXServerEndpoint` whose path nobody can open before it has its mode.

    Twisted sets the mode after it has bound the path (twisted #11389).

    :param mode: of the path.
    """

    def __init__(self, reactor: Any, path: str, backlog: int, mode: int) -> None:
        self._reactor = reactor
        self._mode = mode
        self._endpoint = UNIXServerEndpoint(reactor, path, backlog, mode)

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Bind the path and begin to accept."""
        before = os.umask(0o777 & ~self._mode)
        try:
            listening: Deferred[IListeningPort] = self._endpoint.listen(protocolFactory)
            return listening
        finally:
            os.umask(before)

    def adopt(self, protocolFactory: IProtocolFactory, connection: socket.socket) -> Deferred[None]:
        """Serve a connection that is there already."""
        with connection:  # the reactor has a descriptor of its own
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, protocolFactory)
        return succeed(None)
