"""The endpoint of a Unix socket that this process owns."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import UNIXServerEndpoint
from twisted.internet.interfaces import IListeningPort, IProtocolFactory, IStreamServerEndpoint
from zope.interface import implementer

from unixsvc.listen.interfaces import IAdoptingEndpoint

__all__ = ["OwnedUNIXServerEndpoint"]


@implementer(IStreamServerEndpoint, IAdoptingEndpoint)
class OwnedUNIXServerEndpoint:
    """A :class:`UNIXServerEndpoint` whose path has its mode from the moment when it is bound.

    Twisted sets the mode after it has bound the path (twisted #11389).

    :param reactor: provides ``IReactorUNIX`` and ``IReactorSocket``. ``Any``: no type says both.
    :param path: where to bind.
    :param backlog: how many clients may wait to be accepted.
    :param mode: of the path.
    """

    def __init__(self, reactor: Any, path: str, backlog: int, mode: int) -> None:
        self._reactor = reactor
        self._mode = mode
        self._endpoint = UNIXServerEndpoint(reactor, path, backlog, mode)

    def listen(self, protocolFactory: IProtocolFactory) -> Deferred[IListeningPort]:
        """Bind the path and begin to accept."""
        previous = os.umask(0o777 & ~self._mode)
        try:
            listening: Deferred[IListeningPort] = self._endpoint.listen(protocolFactory)
            return listening
        finally:
            os.umask(previous)

    def adopt(self, protocolFactory: IProtocolFactory, connection: socket.socket) -> Deferred[None]:
        """Serve a connection that is already accepted."""
        with connection:  # the reactor duplicates the descriptor
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, protocolFactory)
        return succeed(None)
