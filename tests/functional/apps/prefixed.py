"""A custom request handler: each message is preceded by its length as four bytes, big-endian."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.protocols.basic import Int32StringReceiver
from zope.interface import implementer

from unixsvc.domain.coroutine import await_result
from unixsvc.domain.message import Caller, Reply, Request
from unixsvc.domain.stream import ReplyStream, unary_reply
from unixsvc.errors import error_from
from unixsvc.server.context import HandlerContext
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.wire.messages import decode_client_message, encode_reply, to_request


class _Connection(Int32StringReceiver):
    def __init__(self, handler: PrefixedRequestHandler) -> None:
        self._handler = handler
        self._caller = Caller()

    def connectionMade(self) -> None:
        self._handler.clients.add(self)

    def connectionLost(self, reason: Any = None) -> None:
        self._handler.clients.discard(self)

    def close(self) -> None:
        """Close after all replies are written."""
        transport: Any = self.transport
        transport.loseConnection()

    def abort(self) -> None:
        """Close immediately."""
        transport: Any = self.transport
        transport.abortConnection()

    def stringReceived(self, string: bytes) -> None:
        wire, handle = decode_client_message(string), self._handler.context.handle
        self._handler.begin()
        answer: Deferred[Reply | ReplyStream] = Deferred.fromCoroutine(
            await_result(handle(to_request(wire, self._caller)))
        )
        answer.addCallback(lambda reply: self.sendString(encode_reply(wire.id, unary_reply(reply))))
        answer.addBoth(self._handler.end)


@implementer(IRequestHandler)
class PrefixedRequestHandler(Service):
    """Serves that protocol."""

    def __init__(self, context: HandlerContext) -> None:
        self.context = context
        self.clients: set[_Connection] = set()
        self._port: Any = None
        self._pending = 0
        self._idle: Deferred[None] | None = None

    def begin(self) -> None:
        """Count a pending request."""
        self._pending += 1

    def end(self, result: object) -> object:
        """Count a reply."""
        self._pending -= 1
        if self._idle is not None and not self._pending:
            idle, self._idle = self._idle, None
            idle.callback(None)
        return result

    async def probe(self) -> None:
        """Check the health without a socket."""
        request = Request("GET", "/-/health", auth_token=self.context.token)
        reply = unary_reply(await await_result(self.context.handle(request)))
        if reply.code >= 400:
            raise error_from(reply.code, reply.detail)

    async def listen(self) -> None:
        """Start to accept connections."""
        self._port = await self.context.endpoint.listen(Factory.forProtocol(partial(_Connection, self)))

    async def close(self) -> None:
        """Stop accepting connections."""
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()

    async def drain(self, wait_for_idle: bool = False) -> None:
        """Finish pending requests, and close."""
        if self._pending:
            self._idle = self._idle or Deferred()
            await self._idle
        for each in list(self.clients):
            each.close()

    def abort(self) -> None:
        """Close all connections."""
        for each in list(self.clients):
            each.abort()

    def connections(self) -> int:
        """The number of connections."""
        return len(self.clients)

    def stopService(self) -> Deferred[None]:
        """Stop; pending requests are finished before."""
        super().stopService()
        return Deferred.fromCoroutine(self.close())
