"""Endpoints of sockets that another process has bound: how a worker listens."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from unixsvc.listen.acceptor import Acceptor
from unixsvc.listen.balance.connection_counts import WorkerSlot
from unixsvc.listen.interfaces import IAdoptingEndpoint, IServesDescriptors
from unixsvc.listen.tls import TlsContext
from unixsvc.transport.batched_transport import BatchedTransport
from unixsvc.transport.loop_transport import LoopTransport, address_of
from unixsvc.transport.tls_transport import SecureLoopTransport
from unixsvc.transport.write_batch import WriteBatch

__all__ = ["AdoptedServerEndpoint", "JoinedServerEndpoint"]

_MakeTransport = Callable[
    [IProtocol, IAddress, Callable[[], object], Callable[[], object] | None], LoopTransport
]


@implementer(IStreamServerEndpoint, IAdoptingEndpoint)
class AdoptedServerEndpoint:
    """A listening socket that another process has bound, served by the event loop's own transports.

    Twisted's ``adoptStreamPort`` would set the path's mode to 0666 and the backlog to 50, and remove the path
    at the end (twisted #10261). Its reactor would read and write each socket in Python, also on uvloop.

    :param loop: the loop that the reactor runs on.
    :param listening: bound and listening; it may be shared with other workers.
    :param slot: counts the connections of this endpoint.
    :param tls: None for connections that are not encrypted.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        slot: WorkerSlot,
        tls: TlsContext | None = None,
    ) -> None:
        self._loop = loop
        self._listening = listening
        self._slot = slot
        self._tls = tls
        self._address = address_of(listening.getsockname())
        self._batch = WriteBatch(loop)
        self._make_batched = partial(BatchedTransport, batch=self._batch)

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept."""
        protocolFactory.doStart()
        make: _MakeTransport = self._make_batched if self._tls is None else SecureLoopTransport
        build = partial(self._build, make, protocolFactory)
        acceptor = Acceptor(self._loop, self._listening, build, self._slot, self._tls)
        if self._tls is None and IServesDescriptors.providedBy(protocolFactory):
            acceptor.serve_without_transport(protocolFactory, self._batch)
        acceptor.startListening()
        return succeed(acceptor)

    def adopt(self, protocolFactory: IProtocolFactory, connection: socket.socket) -> Deferred[None]:
        """Serve a connection that is already accepted; it is not encrypted."""

        def connected() -> LoopTransport:
            transport = self._build(self._make_batched, protocolFactory, _nothing)
            if transport is None:
                raise ConnectionRefusedError("the factory refuses the connection")
            return transport

        async def adopt() -> None:
            await self._loop.connect_accepted_socket(connected, connection)

        return Deferred.fromFuture(asyncio.ensure_future(adopt(), loop=self._loop))

    def _build(
        self,
        make: _MakeTransport,
        factory: IProtocolFactory,
        lost: Callable[[], object],
        received: bytes = b"",
    ) -> LoopTransport | None:
        protocol = factory.buildProtocol(self._address)
        if protocol is None:
            return None
        start = partial(protocol.dataReceived, received) if received else None
        return make(protocol, self._address, lost, start)


@implementer(IStreamServerEndpoint, IAdoptingEndpoint)
class JoinedServerEndpoint:
    """Several endpoints, as one.

    :param endpoints: at least one.
    """

    def __init__(self, endpoints: Sequence[AdoptedServerEndpoint]) -> None:
        self._endpoints = endpoints

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept on all of them."""

        async def listen() -> IListeningPort:
            return _JoinedPort([await endpoint.listen(protocolFactory) for endpoint in self._endpoints])

        return Deferred.fromCoroutine(listen())

    def adopt(self, protocolFactory: IProtocolFactory, connection: socket.socket) -> Deferred[None]:
        """Serve a connection that is already accepted."""
        return self._endpoints[0].adopt(protocolFactory, connection)


@implementer(IListeningPort)
class _JoinedPort:
    def __init__(self, ports: Sequence[IListeningPort]) -> None:
        self._ports = ports

    def startListening(self) -> None:
        """Nothing: the ports listen already."""

    def stopListening(self) -> None:
        """Stop to accept on all of them."""
        for port in self._ports:
            port.stopListening()

    def getHost(self) -> IAddress:
        """The address of the first."""
        return self._ports[0].getHost()


def _nothing() -> None:
    pass
