"""A service's question to itself, by which it finds out whether clients would be answered."""

from __future__ import annotations

import socket
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from unixsvc.errors import BadGateway, error_from
from unixsvc.listen.interfaces import IAdoptingEndpoint
from unixsvc.wire.messages import ClientMessage, decode_server_message, encode_client_message

__all__ = ["probe"]

_ID: Final = "probe"


async def probe(reactor: Any, endpoint: Any, factory: IProtocolFactory, token: str) -> None:
    """Send ``GET /-/health`` over a connection of our own to the server's side of the protocol.

    It goes the way of any message, from bytes to bytes. It does not go through the listening socket, where
    another worker might take it, and clients could already come.

    :param factory: makes the server's side.
    :raises unixsvc.errors.ServiceError: the answer, if it is a failure.
    :raises ConnectionError: if there is none.
    :raises unixsvc.errors.BadGateway: if it is not a message of the protocol.
    """
    ours, theirs = socket.socketpair()
    for each in ours, theirs:
        each.setblocking(False)
    asking = _Asking(token)
    with ours:  # the reactor has a descriptor of its own
        try:
            await IAdoptingEndpoint(endpoint).adopt(factory, theirs)
        except BaseException:
            theirs.close()
            raise
        reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, Factory.forProtocol(lambda: asking))
    line = await asking.answered
    answer = decode_server_message(line)
    if answer.failed:
        raise error_from(answer.code, answer.detail)
    if answer.id != _ID:
        raise BadGateway("the reply to the health check has another id")


class _Asking(LineOnlyReceiver):
    delimiter = b"\n"

    def __init__(self, token: str) -> None:
        self._token = token
        self.answered: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        message = ClientMessage(_ID, path="/-/health", auth_token=self._token)
        self.sendLine(encode_client_message(message))

    def lineReceived(self, line: bytes) -> None:
        transport: Any = self.transport
        transport.loseConnection()
        if not self.answered.called:
            self.answered.callback(line)

    def connectionLost(self, reason: Failure | None = None) -> None:
        if not self.answered.called:
            self.answered.errback(ConnectionResetError("the connection was closed without an answer"))
