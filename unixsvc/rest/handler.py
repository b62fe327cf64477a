"""HTTP as a service: listens, serves, drains."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

import msgspec
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.errors import BadGateway, error_from
from unixsvc.listen.interfaces import IAdoptingEndpoint
from unixsvc.rest.gateway import Gateway
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.site import HttpSite
from unixsvc.server.handler import HandlerContext
from unixsvc.server.interfaces import IRequestHandler

__all__ = ["HttpRequestHandler"]

# What SocketRequestHandler gives the kernel and the loop, in seconds.
_LAST_LOOK: Final = 0.05
_NEXT_TURN: Final = 0.01
# After everything was refused, for that to be sent; in seconds.
_LAST_ANSWERS: Final = 0.5


@implementer(IRequestHandler)
class HttpRequestHandler(Service):
    """Serves a service's routes, its pages and the user's own routes over HTTP.

    :param context: what to serve, and where.
    :param make_gateway: makes what answers the requests.
    """

    def __init__(
        self, context: HandlerContext, make_gateway: Callable[[HandlerContext], Any] = Gateway
    ) -> None:
        self._endpoint = context.endpoint
        self._reactor: Any = context.reactor
        self._token = context.token
        self._gateway = make_gateway(context)
        self._connections = HttpConnections(context.http, context.limits, context.reactor)
        self._site = HttpSite(self._gateway, self._connections)
        self._port: IListeningPort | None = None

    async def probe(self) -> None:
        """Ask ourselves for ``/-/health`` over HTTP, as a client would.

        :raises unixsvc.errors.ServiceError: the answer, if it is a failure, or none.
        :raises ConnectionError: if there is none.
        """
        ours, theirs = socket.socketpair()
        for each in ours, theirs:
            each.setblocking(False)
        asking = _Asking(self._token)
        with ours:  # the reactor has a descriptor of its own
            try:
                await IAdoptingEndpoint(self._endpoint).adopt(self._site, theirs)
            except BaseException:
                theirs.close()
                raise
            factory = Factory.forProtocol(lambda: asking)
            self._reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)
        _check(await asking.answered)

    async def listen(self) -> None:
        """Begin to accept; done when clients can connect."""
        self._port = await self._endpoint.listen(self._site)

    async def close(self) -> None:
        """Accept nothing more; done when that is so."""
        if self._port is not None:
            port, self._port = self._port, None
            await deferLater(self._reactor, _LAST_LOOK)
            await maybeDeferred(port.stopListening)
            # What the loop has accepted by now, it tells us in its next turn.
            await deferLater(self._reactor, _NEXT_TURN)

    async def drain(self, wait_for_idle: bool = False) -> None:
        """Close what is idle, and the others with their next answer; done when all are gone.

        :param wait_for_idle: whether those are waited for that have connected and not said anything.
        """
        await self._connections.drain(wait_for_idle)

    def abort(self) -> None:
        """Answer what is unanswered with 503, and close every connection."""
        self._connections.drain(wait_for_idle=False)
        self._gateway.abort()
        self._reactor.callLater(_LAST_ANSWERS, self._connections.abort)

    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def stopService(self) -> Deferred[None]:
        """Accept nothing more, and drain."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self.close()
        await self.drain()


class _Asking(Protocol):
    """Asks for ``/-/health``, once.

    :ivar answered: fires with all that came until the connection was closed.
    """

    transport: Any

    def __init__(self, token: str) -> None:
        self._token = token
        self._come = b""
        self.answered: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        shown = f"Authorization: Bearer {self._token}\r\n" if self._token else ""
        ask = f"GET /-/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{shown}\r\n"
        self.transport.write(ask.encode())

    def dataReceived(self, data: bytes) -> None:
        self._come += data

    def connectionLost(self, reason: Failure | None = None) -> None:
        if self._come:
            self.answered.callback(self._come)
        else:
            self.answered.errback(ConnectionResetError("the connection was closed without an answer"))


class _Problem(msgspec.Struct):
    title: str = ""
    detail: str | None = None


def _check(answer: bytes) -> None:
    line, _, rest = answer.partition(b"\r\n")
    version, _, status = line.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
        raise BadGateway("the answer is no HTTP")
    code = int(status[:3])
    if code >= 400:
        try:
            told = msgspec.json.decode(rest.partition(b"\r\n\r\n")[2], type=_Problem)
        except msgspec.DecodeError:
            told = _Problem()
        raise error_from(code, told.detail, told.title)
