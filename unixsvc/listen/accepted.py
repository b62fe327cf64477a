"""Connections of Unix sockets that have no transport, or get one later."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine

from twisted.internet.interfaces import IAddress, IProtocol

from unixsvc.listen.host import Callback
from unixsvc.listen.readable_watch import ReadableWatch
from unixsvc.transport.batched_transport import BatchedTransport
from unixsvc.transport.loop_transport import ConnectionOpener
from unixsvc.transport.write_batch import WriteBatch

__all__ = ["AcceptedConnections", "UnixSocket"]


class UnixSocket(socket.socket):
    """A socket with constant family and type.

    The event loop reads both for each connection, and the general class makes an Enum member each time, which
    takes a microsecond.
    """

    __slots__ = ()
    family = socket.AF_UNIX
    type = socket.SOCK_STREAM


class AcceptedConnections:
    """The :class:`~unixsvc.listen.interfaces.ConnectionHost` of an acceptor.

    :param loop: makes transports.
    :param address: of the listening socket.
    :param closed: counts a closed connection.
    :param batch: of the transports.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        address: IAddress,
        closed: Callable[[], None],
        batch: WriteBatch,
    ) -> None:
        self._connect: Callable[..., Coroutine[object, None, object]] = loop.connect_accepted_socket
        self._address = address
        self._batch = batch
        self._watch = ReadableWatch(loop)
        # The methods themselves, as they are called for each connection.
        self.watch, self.unwatch, self.closed = self._watch.add, self._watch.remove, closed

    def connect(self, descriptor: int, protocol: IProtocol, start: Callback, failed: Callback) -> None:
        """Make a transport for a connection."""

        def lost() -> None:
            failed()
            self.closed()

        connection = UnixSocket(socket.AF_UNIX, socket.SOCK_STREAM, 0, descriptor)
        connection.setblocking(False)
        transport = BatchedTransport(protocol, self._address, self.closed, start, self._batch)
        transport.connection = connection
        ConnectionOpener(self._connect(lambda: transport, connection), lost, transport.start)

    def end(self) -> None:
        """No connection will be added."""
        self._watch.end()
