"""The health check of a worker over the socket protocol."""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IProtocolFactory, IStreamServerEndpoint

from unixsvc.errors import BadGateway, error_from
from unixsvc.listen.socket_pair import request_over_socket_pair
from unixsvc.wire.messages import ClientMessage, decode_server_message, encode_client_message

__all__ = ["probe"]

_ID: Final = "probe"


async def probe(
    reactor: object, endpoint: IStreamServerEndpoint, factory: IProtocolFactory, token: str
) -> None:
    """Request ``/-/health`` over a socket pair, without the listening socket.

    :param reactor: adopts a connected socket; Twisted has no interface for that alone.
    :param factory: makes the server's side of the connection.
    :raises unixsvc.errors.ServiceError: the reply, if it is an error.
    :raises unixsvc.errors.BadGateway: if it is not a message of the protocol.
    :raises ConnectionError: if there is no reply.
    """
    request = encode_client_message(ClientMessage(_ID, path="/-/health", auth_token=token)) + b"\n"
    line = await request_over_socket_pair(reactor, endpoint, factory, request, delimiter=b"\n")
    reply = decode_server_message(line)
    if reply.failed:
        raise error_from(reply.code, reply.detail)
    if reply.id != _ID:
        raise BadGateway("the reply to the health check has another id")
