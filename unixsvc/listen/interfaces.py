"""The interfaces between endpoints and what they serve."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from socket import socket

from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint

from unixsvc.listen.host import ConnectionHost

__all__ = ["IAdoptingEndpoint", "IServesDescriptors"]


class IAdoptingEndpoint(IStreamServerEndpoint):
    """A listening endpoint that also serves connections that something else has accepted."""

    def adopt(protocolFactory: IProtocolFactory, connection: socket) -> Awaitable[None]:
        """Serve a connected socket; the endpoint owns it from now on."""


class IServesDescriptors(IProtocolFactory):
    """A protocol factory that can serve a connection before there is a transport.

    Most transports of a service that gets a connection for each request would be closed when they have sent
    one reply. The factory is asked first about each connection of a Unix socket, and may leave it to a
    protocol. The peer must not see the difference.
    """

    def serve_descriptors(host: ConnectionHost) -> Callable[[int], bytes | bool]:
        """Return the function that is called with the file descriptor of each connection, which blocks.

        The function returns false if it has closed the connection already, true if it keeps it open and calls
        ``closed`` later, or the bytes that it has received, for a protocol.

        :param host: for connections that stay open.
        """
