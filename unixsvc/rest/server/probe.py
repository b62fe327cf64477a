"""The health check of a worker over HTTP."""

from __future__ import annotations

import socket
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure

from unixsvc.errors import BadGateway, error_from
from unixsvc.listen.interfaces import IAdoptingEndpoint

__all__ = ["probe"]


async def probe(reactor: Any, endpoint: IStreamServerEndpoint, factory: IProtocolFactory, token: str) -> None:
    """Request ``/-/health`` over a socket pair, without the listening socket.

    :param reactor: adopts a connected socket. ``Any``: Twisted has no interface for that alone.
    :param factory: makes the server's side of the connection.
    :param token: sent with the request, unless it is empty.
    :raises unixsvc.errors.ServiceError: the response, if it is an error.
    :raises unixsvc.errors.BadGateway: if the response is not HTTP.
    :raises ConnectionError: if there is no response.
    """
    client_end, server_end = socket.socketpair()
    for end in client_end, server_end:
        end.setblocking(False)
    request = _HealthRequest(token)
    with client_end:  # the reactor duplicates the descriptor
        try:
            await IAdoptingEndpoint(endpoint).adopt(factory, server_end)
        except BaseException:
            server_end.close()
            raise
        client_factory = Factory.forProtocol(lambda: request)
        reactor.adoptStreamConnection(client_end.fileno(), socket.AF_UNIX, client_factory)
    _check_response(await request.response)


class _HealthRequest(Protocol):
    """One request for ``/-/health``.

    :ivar response: fires with all bytes when the server has closed the connection.
    """

    transport: Any  # a transport of the reactor

    def __init__(self, token: str) -> None:
        self._token = token
        self._received = b""
        self.response: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        authorization = f"Authorization: Bearer {self._token}\r\n" if self._token else ""
        head = f"GET /-/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n"
        self.transport.write(head.encode())

    def dataReceived(self, data: bytes) -> None:
        self._received += data

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._received:
            self.response.callback(self._received)
        else:
            self.response.errback(ConnectionResetError("the connection was closed without a response"))


class _Problem(msgspec.Struct):
    title: str = ""
    detail: str | None = None


def _check_response(response: bytes) -> None:
    status_line, _, rest = response.partition(b"\r\n")
    version, _, status = status_line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
        raise BadGateway("the response is not HTTP")
    code = int(status[:3])
    if code >= 400:
        try:
            problem = msgspec.json.decode(rest.partition(b"\r\n\r\n")[2], type=_Problem)
        except msgspec.DecodeError:
            problem = _Problem()
        raise error_from(code, problem.detail, problem.title)
