"""The endpoint of a Unix socket that this process has bound, on Twisted's own transports."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from twisted.internet import tcp, unix
from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IAddress, IListeningPort, IProtocolFactory, IStreamServerEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.listen.interfaces import IAdoptingEndpoint
from unixsvc.transport.private_apis import close_without_shutdown, reserve_descriptor_for_accept

__all__ = ["BoundUNIXServerEndpoint"]

# Clients that are accepted in one turn. Refused ones are closed in the next turn: with many in one turn, they
# could take the file descriptors of the others.
_TURN: Final = 8
# The most clients that are accepted from a socket that is replaced.
_LAST: Final = 1024


@implementer(IStreamServerEndpoint, IAdoptingEndpoint)
class BoundUNIXServerEndpoint:
    """A Unix socket whose path something else owns, and may bind again.

    :param reactor: provides ``IReactorFDSet`` and ``IReactorSocket``. ``Any``: no type says both.
    :param descriptors: returns the descriptor of the listening socket, as a sequence of one.
    """

    def __init__(self, reactor: Any, descriptors: Callable[[], Sequence[int]]) -> None:
        self._reactor = reactor
        self._descriptors = descriptors
        self._port: _ReplaceablePort | None = None

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Begin to accept."""
        make = partial(_Port, factory=protocolFactory, reactor=self._reactor)
        self._port = _ReplaceablePort(self._descriptors, make)
        self._port.startListening()
        return succeed(self._port)

    def adopt(self, protocolFactory: IProtocolFactory, connection: socket.socket) -> Deferred[None]:
        """Serve a connection that is already accepted."""
        with connection:  # the reactor duplicates the descriptor
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, protocolFactory)
        return succeed(None)

    def replace(self) -> None:
        """Accept from another socket if the path was bound again. Clients of the old one are accepted.

        :raises OSError: if no file descriptor is left; then the old one stays.
        """
        if self._port is not None:
            self._port.replace()


class _Port(unix.Port):
    """A port of a socket that listens already.

    Twisted's own ``adoptStreamPort`` would set the mode of the path to 0666, and remove the path at the end
    (twisted #10261).
    """

    def __init__(self, listening: socket.socket, factory: IProtocolFactory, reactor: Any) -> None:
        super().__init__(listening.getsockname(), factory, reactor=reactor)
        self._listening = listening
        self._protocol_factory = factory

    def startListening(self) -> None:
        """Begin to accept."""
        reserve_descriptor_for_accept()
        close_without_shutdown(self)
        self._protocol_factory.doStart()
        self.socket = self._listening
        self.fileno = self.socket.fileno  # type: ignore[method-assign]  # as Twisted's own ports do
        self.connected = True
        self.numberAccepts = _TURN
        self.startReading()

    def doRead(self) -> None:
        """Accept some clients; Twisted itself would accept more of them each time."""
        self.numberAccepts = _TURN
        super().doRead()

    def accept_waiting(self) -> None:
        """Accept all clients that wait at this moment."""
        self.numberAccepts = _LAST
        super().doRead()

    def connectionLost(self, reason: Failure) -> None:
        """The port is closed. The path stays."""
        tcp.Port.connectionLost(self, reason)


@implementer(IListeningPort)
class _ReplaceablePort:
    """A port whose socket can be replaced.

    :param descriptors: as those of the endpoint.
    :param make: makes a port of a socket.
    """

    def __init__(
        self, descriptors: Callable[[], Sequence[int]], make: Callable[[socket.socket], _Port]
    ) -> None:
        self._descriptors = descriptors
        self._make = make
        self._port: _Port | None = None

    def startListening(self) -> None:
        """Begin to accept."""
        (descriptor,) = self._descriptors()
        self._port = self._make(socket.socket(fileno=os.dup(descriptor)))
        self._port.startListening()

    def stopListening(self) -> Deferred[None]:
        """Stop to accept; fires when the socket is closed."""
        port, self._port = self._port, None
        return succeed(None) if port is None else maybeDeferred(port.stopListening)

    def getHost(self) -> IAddress:
        """The address of the socket."""
        if self._port is None:
            raise ValueError("the port does not listen")
        address: IAddress = self._port.getHost()
        return address

    def replace(self) -> None:
        """Accept from another socket, if there is one."""
        old = self._port
        if old is None or os.path.sameopenfile(old.fileno(), *self._descriptors()):
            return
        self.startListening()
        old.accept_waiting()
        old.stopListening()
