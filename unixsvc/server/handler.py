"""The socket transport as a service: listens, serves, drains."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import Struct
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    ILoggingContext,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.task import LoopingCall, deferLater
from zope.interface import implementer

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits, Security
from unixsvc.contract.model import Contract, UnavailableContract
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.server.probe import probe
from unixsvc.server.protocol import ServerProtocol
from unixsvc.server.registry import ConnectionRegistry

__all__ = ["HandlerContext", "SocketRequestHandler"]

# Clients that connected and requests that were sent before we began to drain may still be in the kernel:
# time for a look, in seconds.
_LAST_LOOK: Final = 0.05
_NEXT_TURN: Final = 0.01
# How often is looked for clients that could be gone, while somebody waits for that; in seconds.
_HURRIED: Final = 0.1


class HandlerContext(Struct, frozen=True):
    """All that a request handler needs to serve one service on one endpoint.

    :ivar token: with which it may ask itself.
    :ivar http: how it answers over HTTP, for a handler that does.
    :ivar answers: whether a path is one of the service's own, or under a mount: whatever the method.
    :ivar contracts: returns the contract of the service, then those of its mounts, with their paths in
        this service.
    :ivar web: adds routes of the application's own to the Klein application of a handler that has one.
    """

    service: str
    handle: IHandleMessage
    endpoint: IStreamServerEndpoint
    limits: Limits
    security: Security
    reactor: IReactorTime
    token: str = ""
    http: Http = Http()
    answers: Callable[[str], bool] = bool
    contracts: Callable[[], Awaitable[list[Contract | UnavailableContract]]] | None = None
    web: Callable[[Any], None] | None = None

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<Handling {self.service}>"


@implementer(IProtocolFactory, ILoggingContext)
class _ConnectionFactory:
    def __init__(self, clients: ConnectionRegistry, service: str) -> None:
        self._clients = clients
        self._service = service

    def doStart(self) -> None:
        """Nothing: the handler starts what connections share."""

    def doStop(self) -> None:
        """Nothing: the handler stops it."""

    def logPrefix(self) -> str:
        return f"service {self._service}"

    def buildProtocol(self, addr: IAddress | None) -> ServerProtocol:
        return ServerProtocol(self._clients)


@implementer(IRequestHandler)
class SocketRequestHandler(Service):
    """Serves the wire protocol of ``docs/reference/protocol.rst``.

    :param context: what to serve, and where.
    """

    def __init__(self, context: HandlerContext) -> None:
        self._service = context.service
        self._endpoint = context.endpoint
        self._reactor: Any = context.reactor
        self._token = context.token
        limits = context.limits
        self._clients = ConnectionRegistry(context.handle, limits, context.security, context.reactor)
        self._port: IListeningPort | None = None
        self._check_every = min(1.0, limits.message_timeout / 4, limits.idle_timeout / 4)
        self._checks = LoopingCall(self._clients.check_time)
        self._checks.clock = context.reactor
        self._factory = _ConnectionFactory(self._clients, self._service)

    async def probe(self) -> None:
        """Ask ourselves for ``/-/health``, as a client would.

        :raises unixsvc.errors.ServiceError: the answer, if it is a failure.
        """
        await probe(self._reactor, self._endpoint, self._factory, self._token)

    async def listen(self) -> None:
        """Begin to accept; done when clients can connect."""
        self._port = await self._endpoint.listen(self._factory)
        self._checks.start(self._check_every, now=False)

    async def close(self) -> None:
        """Accept nothing more; done when that is so."""
        if self._port is not None:
            port, self._port = self._port, None
            await deferLater(self._reactor, _LAST_LOOK)
            await _stopped(port)
            # What the loop has accepted by now, it tells us in its next turn.
            await deferLater(self._reactor, _NEXT_TURN)

    async def drain(self, wait_for_idle: bool = False) -> None:
        """Tell the clients to go, and serve them until they have; done when all are gone.

        :param wait_for_idle: whether those are waited for that neither go nor ask for anything.
        """
        gone = self._clients.drain(wait_for_idle=wait_for_idle)
        if not wait_for_idle:
            # Also where we never listened: our own question to ourselves is a connection too.
            if self._checks.running:
                self._checks.stop()
            self._checks.start(min(_HURRIED, self._check_every), now=False)
        await gone
        if self._checks.running:
            self._checks.stop()

    def abort(self) -> None:
        """Answer what is unanswered with 503, and close every connection."""
        self._clients.abort()

    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._clients)

    def stopService(self) -> Deferred[None]:
        """Accept nothing more, and drain."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self.close()
        await self.drain()


async def _stopped(port: IListeningPort) -> None:
    stopping = port.stopListening()
    if stopping is not None:
        await stopping
