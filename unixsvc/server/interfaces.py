"""The interface of request handlers: the extension point for other transports."""

from __future__ import annotations

from collections.abc import Awaitable

from twisted.application.service import IService

__all__ = ["IRequestHandler"]


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
