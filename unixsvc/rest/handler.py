"""The request handler for HTTP: listens, serves, drains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import deferLater
from zope.interface import implementer

from unixsvc.rest.gateway import Gateway
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.probe import probe
from unixsvc.rest.server.site import HttpSite
from unixsvc.server.handler import HandlerContext
from unixsvc.server.interfaces import IRequestHandler

__all__ = ["HttpRequestHandler"]

# As in SocketRequestHandler, in seconds.
_LAST_LOOK: Final = 0.05
_NEXT_TURN: Final = 0.01
# The time to send the responses to aborted requests, in seconds.
_FLUSH: Final = 0.5


@implementer(IRequestHandler)
class HttpRequestHandler(Service):
    """Serves a service's routes, the documentation pages and the application's own pages over HTTP.

    :param context: the service and its endpoint.
    :param make_gateway: makes the resource that answers the requests.
    """

    def __init__(
        self, context: HandlerContext, make_gateway: Callable[[HandlerContext], Any] = Gateway
    ) -> None:
        self._endpoint = context.endpoint
        self._reactor = context.reactor
        self._token = context.token
        self._gateway = make_gateway(context)
        self._connections = HttpConnections(context.http, context.limits, context.reactor)
        self._site = HttpSite(self._gateway, self._connections)
        self._port: IListeningPort | None = None

    async def probe(self) -> None:
        """Request ``/-/health`` from this process, as a client would.

        :raises unixsvc.errors.ServiceError: the response, if it is an error.
        :raises ConnectionError: if there is no response.
        """
        await probe(self._reactor, self._endpoint, self._site, self._token)

    async def listen(self) -> None:
        """Begin to accept connections; done when clients can connect."""
        self._port = await self._endpoint.listen(self._site)

    async def close(self) -> None:
        """Stop to accept connections; done when no client can connect."""
        if self._port is not None:
            port, self._port = self._port, None
            await deferLater(self._reactor, _LAST_LOOK)
            await maybeDeferred(port.stopListening)
            await deferLater(self._reactor, _NEXT_TURN)

    async def drain(self, wait_for_idle: bool = False) -> None:
        """Close each connection after its current or next response; done when all are closed.

        :param wait_for_idle: whether to wait for connections without a request.
        """
        await self._connections.drain(wait_for_idle)

    def abort(self) -> None:
        """Answer pending requests with 503, and close every connection."""
        self._connections.drain(wait_for_idle=False)
        self._gateway.abort()
        self._reactor.callLater(_FLUSH, self._connections.abort)

    def connections(self) -> int:
        """The number of connected clients."""
        return len(self._connections)

    def stopService(self) -> Deferred[None]:
        """Stop to accept connections, and drain."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        await self.close()
        await self.drain()
