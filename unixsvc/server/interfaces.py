"""The interface of request handlers: the extension point for other transports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from twisted.application.service import IService
from zope.interface import Interface

from unixsvc.domain.message import Caller
from unixsvc.server.pending_call import PendingCall

if TYPE_CHECKING:
    from unixsvc.server.protocol import ServerProtocol
    from unixsvc.transport.peer import SocketCaller

__all__ = ["IListsCalls", "IRequestHandler", "IReviewsCallers", "IServesCircuits"]


class IRequestHandler(IService):
    """Serves one service on one listening endpoint.

    The configuration names a factory under ``handler``. It is called with a
    :class:`unixsvc.server.context.HandlerContext`. ``stopService`` drains and returns a Deferred.
    """

    def probe() -> Awaitable[None]:
        """Request ``/-/health`` of this service, as far as possible along the path of a client's message.

        It is called before :meth:`listen` and decides whether the worker counts as ready.

        :raises unixsvc.errors.ServiceError: the reply, if it is an error.
        """

    def listen() -> Awaitable[None]:
        """Begin to accept connections; done when clients can connect."""

    def close() -> Awaitable[None]:
        """Stop to accept connections; done when no client can connect. Open connections are still served."""

    def drain(wait_for_idle: bool = False) -> Awaitable[None]:
        """After :meth:`close`: serve the clients until they disconnect; done when all have.

        It may be called again to stop waiting for idle clients.

        :param wait_for_idle: whether to wait for clients that neither disconnect nor send a request. It is
            set when other workers accept new connections meanwhile.
        """

    def abort() -> None:
        """Refuse pending requests and close every connection."""

    def connections() -> int:
        """The number of connected clients."""


class IReviewsCallers(Interface):
    """A request handler that keeps one :class:`unixsvc.domain.message.Caller` for several requests.

    A handler that makes one for each request need not provide it.
    """

    def review_callers(review: Callable[[Caller], bool]) -> None:
        """Call a function with the caller of each connection, as the valid tokens have changed.

        :param review: takes the trust of a caller away if its token is not valid any more. It returns true
            if the client should reconnect, and present its token again.
        """


class IServesCircuits(Interface):
    """A request handler that serves connections which it has not accepted itself."""

    def make_protocol(caller: SocketCaller) -> ServerProtocol:
        """Return the protocol of a connection, which is to be connected to its transport.

        :param caller: is known and trusted already.
        """


class IListsCalls(Interface):
    """A request handler that knows its pending requests, for ``unixsvc ps``."""

    def pending_calls() -> list[PendingCall]:
        """The requests whose replies are not complete."""
