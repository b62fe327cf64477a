"""Endpoints of sockets that another process has bound: what a worker is handed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

from unixsvc.listen.acceptor import Acceptor
from unixsvc.listen.connection_counts import WorkerSlot
from unixsvc.listen.interfaces import IAdoptingEndpoint
from unixsvc.listen.loop_acceptor import may_be_served
from unixsvc.listen.port import AdaptivePort
from unixsvc.listen.tls import TlsContext
from unixsvc.transport.loop_transport import LoopTransport, SecureLoopTransport, address_of

__all__ = ["AdoptedServerEndpoint", "JoinedServerEndpoint"]


@implementer(IStreamServerEndpoint, IAdoptingEndpoint)
class AdoptedServerEndpoint:
    """A listening socket that another process has bound, served by an asyncio loop's own transports.

    Twisted's ``adoptStreamPort`` would set the path's mode to 0666, the backlog to 50, and remove the
    path at the end (twisted #10261); its reactor over uvloop would read and write each socket in Python.

    :param loop: that the reactor runs on.
    :param listening: already bound and listening, perhaps shared with other workers.
    :param place: where the connections are counted that come through it.
    :param tls: encrypts them, if they are to be.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        place: WorkerSlot,
        tls: TlsContext | None = None,
    ) -> None:
        self._loop = loop
        self._listening = listening
        self._place = place
        self._tls = tls
        self._address = address_of(listening.getsockname())

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept."""
        protocolFactory.doStart()
        kind = LoopTransport if self._tls is None else SecureLoopTransport
        build = partial(self._build, kind, protocolFactory)
        port: Acceptor | AdaptivePort
        if self._tls is None and may_be_served(self._loop, self._listening):
            port = AdaptivePort(self._loop, self._listening, build, self._place)
        else:
            port = Acceptor(self._loop, self._listening, build, self._place, self._tls)
        port.startListening()
        return succeed(port)

    def adopt(self, protocolFactory: IProtocolFactory, connection: socket.socket) -> Deferred[None]:
        """Serve a connection that is there already; it is not encrypted."""

        def connected() -> LoopTransport:
            transport = self._build(LoopTransport, protocolFactory, _nothing)
            if transport is None:
                raise ConnectionRefusedError("the factory wants no more connections")
            return transport

        async def adopt() -> None:
            await self._loop.connect_accepted_socket(connected, connection)

        return Deferred.fromFuture(asyncio.ensure_future(adopt(), loop=self._loop))

    def _build(
        self, kind: type[LoopTransport], factory: IProtocolFactory, *calls: Any
    ) -> LoopTransport | None:
        protocol = factory.buildProtocol(self._address)
        return None if protocol is None else kind(protocol, self._address, *calls)


@implementer(IStreamServerEndpoint, IAdoptingEndpoint)
class JoinedServerEndpoint:
    """Several endpoints, as one.

    :param endpoints: at least one; each is an IAdoptingEndpoint as well.
    """

    def __init__(self, endpoints: Sequence[AdoptedServerEndpoint]) -> None:
        self._endpoints = endpoints

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept on all of them."""

        async def listen() -> IListeningPort:
            return _JoinedPort([await each.listen(protocolFactory) for each in self._endpoints])

        return Deferred.fromCoroutine(listen())

    def adopt(self, protocolFactory: IProtocolFactory, connection: socket.socket) -> Deferred[None]:
        """Serve a connection that is there already."""
        return self._endpoints[0].adopt(protocolFactory, connection)


@implementer(IListeningPort)
class _JoinedPort:
    def __init__(self, ports: Sequence[IListeningPort]) -> None:
        self._ports = ports

    def startListening(self) -> None:
        """They listen from the start."""

    def stopListening(self) -> None:
        """Accept nothing more on any of them."""
        for each in self._ports:
            each.stopListening()

    def getHost(self) -> IAddress:
        """The first of them."""
        return self._ports[0].getHost()


def _nothing() -> None:
    pass
