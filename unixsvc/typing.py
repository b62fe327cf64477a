"""The interfaces for type checkers: protocols with the methods of the zope interfaces of the same names.

A type checker without a plugin cannot read zope interfaces. Public names and the signatures of what
applications call refer to these; at run time the names in :mod:`unixsvc` are the zope interfaces.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol, Unpack

from msgspec import Raw

from unixsvc.contract.model import Contract
from unixsvc.domain.call_options import CallOptions, OpenOptions, ResultT, ResultType, StreamOptions
from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.json import Json
from unixsvc.domain.message import Caller, Created, Reply, Request
from unixsvc.domain.stream import ReplyStream

__all__ = [
    "IDescribesRoutes",
    "IHandleMessage",
    "IOrchestratorWatcher",
    "IRequestHandler",
    "IReviewsCallers",
    "IRouterDatasource",
    "IServices",
]


class IHandleMessage(Protocol):
    """The use case: turns a request into a reply or a stream, for every transport."""

    def __call__(self, request: Request) -> Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]:
        """Start to handle a request. Most requests are finished when this returns.

        The caller drives a suspended coroutine, or awaits it with
        :func:`unixsvc.domain.coroutine.await_result`. Errors of the request or of the action are replies,
        never exceptions.
        """

    def seconds_for(self, request: Request) -> float:
        """Return the time limit for the reply, in seconds: the caller's or the service's, if less."""

    def track(self, request: Request) -> Callable[[int, int], None]:
        """Admit and count a request that its transport answers itself, as one for a page of Klein.

        :returns: to be called at the end, with the code and the size of the response in bytes.
        :raises unixsvc.errors.Unavailable: if ``max_inflight`` requests are pending.
        """

    def hold_back(self, wait: Callable[[], Awaitable[None]] | None) -> None:
        """Have requests of callers without a valid token wait, as there is no memory for their replies.

        The built-in routes, whose replies are small, are not held back.

        :param wait: called for each request, which is handled when the result has been awaited; None if
            requests are not held back any more.
        """


class IRouterDatasource(Protocol):
    """A source of replies: a router in this process, or another service."""

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Return the reply to a request, now or later.

        :raises unixsvc.errors.ServiceError: for each error that the caller may see.
        """


class IServices(Protocol):
    """Calls other services. Controllers get it from the container.

    A call inherits the request context: it has at most the remaining time of the action, it carries the
    ``request_id`` and the ``traceparent`` of the request, and it is cancelled with the action.

    The arguments of the short forms are the data, except for ``type``: the result is decoded as this type.
    """

    def get(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method GET."""

    def post(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method POST."""

    def put(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method PUT."""

    def patch(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method PATCH."""

    def delete(
        self, service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method DELETE."""

    def call(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[CallOptions],
    ) -> Awaitable[ResultT]:
        """Call a service.

        :param data: a dict or a Struct.
        :param type: what the result is decoded as.
        :raises unixsvc.errors.ServiceError: the error reply; Unavailable if the service cannot be reached,
            DeadlineExceeded after the timeout, BadGateway if the reply is invalid.
        """

    def stream(
        self,
        service: str,
        method: str,
        path: str,
        data: object = None,
        *,
        type: ResultType[ResultT] = Json,
        **options: Unpack[StreamOptions],
    ) -> AsyncIterator[ResultT]:
        """Call a service for a stream; leaving the loop over the stream cancels the call.

        :param type: what each item is decoded as.
        """

    def open(
        self, service: str, method: str, path: str, data: object = None, **options: Unpack[OpenOptions]
    ) -> Awaitable[Raw | Created[Raw] | Reply | AsyncIterator[Raw]]:
        """Call a service for a result or a stream, as a mount does.

        Without the option ``limit`` the remaining time of the action does not apply to the whole stream, as
        the action's own reply may be the stream.

        :returns: the encoded result; the created resource; the reply, if it has a status, header fields or a
            media type of its own; or a stream of encoded items with ``aclose``, and with ``head``, what the
            reply says over HTTP besides.
        """


class IDescribesRoutes(Protocol):
    """A datasource that has a contract."""

    def contract(self) -> Awaitable[Contract]:
        """Return the contract; its paths are those of requests to the datasource.

        :raises unixsvc.errors.ServiceError: if the contract is not available now.
        """


class IRequestHandler(Protocol):
    """Serves one service on one listening endpoint.

    The configuration names a factory under ``handler``. It is called with a
    :class:`unixsvc.server.context.HandlerContext`. ``stopService`` drains and returns a Deferred.
    """

    def probe(self) -> Awaitable[None]:
        """Request ``/-/health`` of this service, as far as possible along the path of a client's message.

        It is called before :meth:`listen` and decides whether the worker counts as ready.

        :raises unixsvc.errors.ServiceError: the reply, if it is an error.
        """

    def listen(self) -> Awaitable[None]:
        """Begin to accept connections; done when clients can connect."""

    def close(self) -> Awaitable[None]:
        """Stop to accept connections; done when no client can connect. Open connections are still served."""

    def drain(self, wait_for_idle: bool = False) -> Awaitable[None]:
        """After :meth:`close`: serve the clients until they disconnect; done when all have.

        It may be called again to stop waiting for idle clients.

        :param wait_for_idle: whether to wait for clients that neither disconnect nor send a request. It is
            set when other workers accept new connections meanwhile.
        """

    def abort(self) -> None:
        """Refuse pending requests and close every connection."""

    def connections(self) -> int:
        """The number of connected clients."""


class IReviewsCallers(Protocol):
    """A request handler that keeps one :class:`unixsvc.domain.message.Caller` for several requests.

    A handler that makes one for each request need not provide it.
    """

    def review_callers(self, review: Callable[[Caller], bool]) -> None:
        """Call a function with the caller of each connection, as the valid tokens have changed.

        :param review: takes the trust of a caller away if its token is not valid any more. It returns true
            if the client should reconnect, and present its token again.
        """


class IOrchestratorWatcher(Protocol):
    """Observes an orchestrator as a whole."""

    def reloading(self) -> None:
        """A reload has begun."""

    def reloaded(self, error: str) -> None:
        """The reload has ended.

        :param error: why it has failed; empty if it has not.
        """

    def aborted(self, name: str, reason: str) -> None:
        """An essential service has failed."""
