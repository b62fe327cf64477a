"""The request handler for HTTP: listens, serves, drains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from zope.interface import implementer

from unixsvc.listen.graceful_port import GracefulPort
from unixsvc.rest.gateway import Gateway
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.probe import probe
from unixsvc.rest.web.site import HttpSite
from unixsvc.server.context import HandlerContext
from unixsvc.server.handler import close_and_drain
from unixsvc.server.interfaces import IListsCalls, IRequestHandler
from unixsvc.server.pending_call import PendingCall
from unixsvc.telemetry.connection_log import ConnectionLog

__all__ = ["HttpRequestHandler"]

# The time to send the responses to aborted requests, in seconds.
_FLUSH: Final = 0.5


@implementer(IRequestHandler, IListsCalls)
class HttpRequestHandler(Service):
    """Serves a service's routes, the documentation pages and the application's own pages over HTTP.

    :param context: the service and its endpoint.
    :param make_gateway: makes the resource that answers the requests.
    """

    def __init__(
        self, context: HandlerContext, make_gateway: Callable[[HandlerContext], Any] = Gateway
    ) -> None:
        self._context = context
        self._gateway = make_gateway(context)
        log = ConnectionLog(context.service)
        self._connections = HttpConnections(
            context.http.settings,
            context.limits,
            context.reactor,
            log,
            context.handle.hold_back,
            owner=context.owner,
            body_spec=context.body_spec,
            traffic=context.traffic,
            on_refused=context.on_refused,
        )
        self._site = HttpSite(self._gateway, self._connections)
        self._port = GracefulPort(context.endpoint, context.reactor)

    async def probe(self) -> None:
        """Request ``/-/health`` from this process, as a client would.

        :raises unixsvc.errors.ServiceError: the response, if it is an error.
        :raises ConnectionError: if there is no response.
        """
        context = self._context
        await probe(context.reactor, context.endpoint, self._site, context.token)

    async def listen(self) -> None:
        """Begin to accept connections; done when clients can connect."""
        await self._port.listen(self._site)

    async def close(self) -> None:
        """Stop to accept connections; done when no client can connect."""
        await self._port.close()

    async def drain(self, wait_for_idle: bool = False) -> None:
        """Close each connection after its current or next response; done when all are closed.

        :param wait_for_idle: whether to wait for connections without a request.
        """
        self._gateway.drain()
        await self._connections.drain(wait_for_idle)

    def abort(self) -> None:
        """Answer pending requests with 503, and close every connection."""
        self._connections.drain(wait_for_idle=False)
        self._gateway.abort()
        self._context.reactor.callLater(_FLUSH, self._connections.abort)

    def pending_calls(self) -> list[PendingCall]:
        """The requests whose replies are not complete; see :class:`IListsCalls`."""
        calls: list[PendingCall] = self._gateway.pending_calls()
        return calls

    def connections(self) -> int:
        """The number of connected clients."""
        return len(self._connections)

    def stopService(self) -> Deferred[None]:
        """Stop to accept connections, and drain."""
        super().stopService()
        return Deferred.fromCoroutine(close_and_drain(self))
