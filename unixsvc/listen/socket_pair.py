"""One request from a process to its own server, over a socket pair."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint, ITCPTransport
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from unixsvc.listen.interfaces import IAdoptingEndpoint

__all__ = ["request_over_socket_pair"]


async def request_over_socket_pair(
    reactor: Any,
    endpoint: IStreamServerEndpoint,
    factory: IProtocolFactory,
    request: bytes,
    *,
    delimiter: bytes = b"",
) -> bytes:
    """Send a request to our own server, and wait for its reply.

    It takes the path of any request except the listening socket, where another worker might accept it.

    :param reactor: adopts a connected socket; Twisted has no interface for that alone.
    :param endpoint: adopts the server's end.
    :param factory: makes the protocol of the server's end.
    :param delimiter: the end of the reply; if empty, the reply ends when the server closes the connection.
    :returns: the reply, without the delimiter.
    :raises ConnectionError: if the connection is closed without a reply.
    """
    client_end, server_end = socket.socketpair()
    for end in client_end, server_end:
        end.setblocking(False)
    client = _Client(request, delimiter)
    with client_end:  # the reactor duplicates the descriptor
        try:
            await IAdoptingEndpoint(endpoint).adopt(factory, server_end)
        except BaseException:
            server_end.close()
            raise
        client_factory = Factory.forProtocol(lambda: client)
        reactor.adoptStreamConnection(client_end.fileno(), socket.AF_UNIX, client_factory)
    return await client.reply


class _Client(Protocol):
    transport: ITCPTransport | None

    def __init__(self, request: bytes, delimiter: bytes) -> None:
        self._request = request
        self._delimiter = delimiter
        self._received = b""
        self.reply: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        if self.transport is not None:
            self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        if self._delimiter and self._delimiter in self._received and self.transport is not None:
            self.transport.loseConnection()
            if not self.reply.called:
                self.reply.callback(self._received.partition(self._delimiter)[0])

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self.reply.called:
            return
        if self._received and not self._delimiter:
            self.reply.callback(self._received)
        else:
            self.reply.errback(ConnectionResetError("the connection was closed without a reply"))
