"""The request handler for Unix sockets: listens, serves, drains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, ILoggingContext, IProtocol
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from unixsvc.domain.message import Caller
from unixsvc.listen.graceful_port import GracefulPort
from unixsvc.listen.host import ConnectionHost
from unixsvc.listen.interfaces import IServesDescriptors
from unixsvc.server.accepted.first_message import FirstMessage
from unixsvc.server.context import HandlerContext
from unixsvc.server.interfaces import IListsCalls, IRequestHandler, IReviewsCallers, IServesCircuits
from unixsvc.server.pending_call import PendingCall
from unixsvc.server.probe import probe
from unixsvc.server.protocol import ServerProtocol
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.telemetry.connection_log import ConnectionLog
from unixsvc.transport.peer import SocketCaller

__all__ = ["SocketRequestHandler", "close_and_drain"]

Wrap: TypeAlias = Callable[[ServerProtocol, ConnectionRegistry], IProtocol]

# Maximum interval between checks of time-outs, in seconds.
_CHECK_INTERVAL: Final = 1.0
# The same while idle clients are not waited for, in seconds.
_DRAIN_CHECK_INTERVAL: Final = 0.1


@implementer(IServesDescriptors, ILoggingContext)
class _ConnectionFactory:
    def __init__(self, registry: ConnectionRegistry, service: str, wrap: Wrap | None) -> None:
        self._registry = registry
        self._service = service
        self._wrap = wrap

    def doStart(self) -> None:
        """Nothing: the handler starts what connections share."""

    def doStop(self) -> None:
        """Nothing: the handler stops it."""

    def logPrefix(self) -> str:
        return f"service {self._service}"

    def buildProtocol(self, addr: IAddress | None) -> Any:  # a ServerProtocol, or what wraps it
        protocol = ServerProtocol(self._registry)
        return protocol if self._wrap is None else self._wrap(protocol, self._registry)

    def serve_descriptors(self, host: ConnectionHost) -> Callable[[int], bytes | bool]:
        """Serve the first message of each connection before there is a transport."""
        return FirstMessage(self._registry, host) if self._wrap is None else _leave_to_protocol


def _leave_to_protocol(descriptor: int) -> bytes:
    """Serve nothing before there is a transport."""
    return b""


@implementer(IRequestHandler, IReviewsCallers, IListsCalls, IServesCircuits)
class SocketRequestHandler(Service):
    """Serves the wire protocol of ``docs/reference/protocol.rst``.

    :param context: the service and its endpoint.
    :param wrap: returns the protocol of a connection, which may hand it to a :class:`ServerProtocol`.
    """

    def __init__(self, context: HandlerContext, wrap: Wrap | None = None) -> None:
        limits = context.limits
        self._context = context
        self._registry = ConnectionRegistry(
            context.handle,
            limits,
            context.security,
            context.reactor,
            context.peer_rule,
            owner=context.owner,
            log=ConnectionLog(context.service),
            accepts_any=context.accepts_any,
            traffic=context.traffic,
        )
        self._port = GracefulPort(context.endpoint, context.reactor)
        timeouts = limits.message_timeout, limits.idle_timeout, limits.authentication_timeout
        self._check_interval = min(_CHECK_INTERVAL, min(timeouts) / 4)
        self._checks = LoopingCall(self._registry.check_time)
        self._checks.clock = context.reactor
        self._factory = _ConnectionFactory(self._registry, context.service, wrap)

    async def probe(self) -> None:
        """Request ``/-/health`` from this process, as a client would.

        :raises unixsvc.errors.ServiceError: the reply, if it is an error.
        :raises ConnectionError: if there is no reply.
        """
        context = self._context
        await probe(context.reactor, context.endpoint, self._factory, context.token)

    async def listen(self) -> None:
        """Begin to accept connections; done when clients can connect."""
        await self._port.listen(self._factory)
        self._checks.start(self._check_interval, now=False)

    async def close(self) -> None:
        """Stop to accept connections; done when no client can connect."""
        await self._port.close()

    async def drain(self, wait_for_idle: bool = False) -> None:
        """Send goaway, and serve the clients until they disconnect; done when all have.

        :param wait_for_idle: whether to wait for clients that neither disconnect nor send a request.
        """
        drained = self._registry.drain(wait_for_idle=wait_for_idle)
        if not wait_for_idle:
            # Also if it never listened: the connection of a health check is served as well.
            self._stop_checks()
            self._checks.start(min(_DRAIN_CHECK_INTERVAL, self._check_interval), now=False)
        await drained
        self._stop_checks()

    def abort(self) -> None:
        """Answer pending requests with 503, and close every connection."""
        self._registry.abort()

    def review_callers(self, review: Callable[[Caller], bool]) -> None:
        """Review the caller of each connection; see :class:`IReviewsCallers`."""
        self._registry.review_callers(review)

    def make_protocol(self, caller: SocketCaller) -> ServerProtocol:
        """The protocol for a connection that something else has accepted; see :class:`IServesCircuits`."""
        return ServerProtocol(self._registry, caller)

    def pending_calls(self) -> list[PendingCall]:
        """The requests whose replies are not complete; see :class:`IListsCalls`."""
        return self._registry.pending_calls()

    def connections(self) -> int:
        """The number of connected clients."""
        return len(self._registry)

    def stopService(self) -> Deferred[None]:
        """Stop to accept connections, and drain."""
        super().stopService()
        return Deferred.fromCoroutine(close_and_drain(self))

    def _stop_checks(self) -> None:
        if self._checks.running:
            self._checks.stop()


async def close_and_drain(handler: IRequestHandler) -> None:
    """End a handler: what its ``stopService`` has to do."""
    await handler.close()
    await handler.drain()
