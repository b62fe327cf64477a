"""The interfaces of the domain. Implementations are declared with ``@implementer``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar, Unpack

from msgspec import Raw
from zope.interface import Attribute, Interface

from unixsvc.domain.call_options import CallOptions, OpenOptions, ResultT, ResultType, StreamOptions
from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.json import Json
from unixsvc.domain.message import Caller, Created, Reply, Request
from unixsvc.domain.route_series import RouteSeries
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import ServiceError

__all__ = [
    "IBlockingRunner",
    "IFailureLog",
    "IGuard",
    "IHandleMessage",
    "IIdempotencyStore",
    "IMetrics",
    "IRequestLog",
    "IRouterDatasource",
    "IRouterRepository",
    "IServices",
]

_T = TypeVar("_T")


class IHandleMessage(Interface):
    """The use case: turns a request into a reply or a stream, for every transport."""

    def __call__(request: Request) -> Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]:
        """Start to handle a request. Most requests are finished when this returns.

        The caller drives a suspended coroutine, or awaits it with
        :func:`unixsvc.domain.coroutine.await_result`. Errors of the request or of the action are replies,
        never exceptions.
        """

    def seconds_for(request: Request) -> float:
        """Return the time limit for the reply, in seconds: the caller's or the service's, if less."""

    def track(request: Request) -> Callable[[int, int], None]:
        """Admit and count a request that its transport answers itself, as one for a page of Klein.

        :returns: to be called at the end, with the code and the size of the response in bytes.
        :raises unixsvc.errors.Unavailable: if ``max_inflight`` requests are pending.
        """

    def hold_back(wait: Callable[[], Awaitable[None]] | None) -> None:
        """Have requests of callers without a valid token wait, as there is no memory for their replies.

        The built-in routes, whose replies are small, are not held back.

        :param wait: called for each request, which is handled when the result has been awaited; None if
            requests are not held back any more.
        """


class IRouterRepository(Interface):
    """Chooses the datasource of a request."""

    def datasource_for(request: Request) -> IRouterDatasource:
        """Return the datasource.

        :raises unixsvc.errors.ServiceError: if no datasource serves the request.
        """


class IRouterDatasource(Interface):
    """A source of replies: a router in this process, or another service."""

    def handle(request: Request) -> Reply | Awaitable[Reply]:
        """Return the reply to a request, now or later.

        :raises unixsvc.errors.ServiceError: for each error that the caller may see.
        """


class IGuard(Interface):
    """Authenticates callers."""

    def admit(request: Request) -> None:
        """Check the credentials of a request and record the result on ``request.caller``.

        It is not called for callers that are ``admitted`` already.

        :raises unixsvc.errors.Unauthorized: if the caller has to authenticate itself first.
        :raises unixsvc.errors.Forbidden: if this caller may not make the request.
        """


class IMetrics(Interface):
    """Counts replies."""

    no_route: RouteSeries = Attribute("Where replies without a route are counted.")

    def series(route: str) -> RouteSeries:
        """Return where the replies of a route are counted.

        :param route: the method and the pattern.
        """

    def count(series: RouteSeries, caller: Caller, code: int, seconds: float) -> None:
        """Count a reply.

        :param code: the code of the reply.
        :param seconds: the time from the request to the reply.
        """

    def recount(series: RouteSeries, caller: Caller, code: int) -> None:
        """Count a reply with another code than 200, with which it was counted already.

        What HTTP sends of a file depends on the conditions and ranges of the request.
        """

    def count_wrong_token() -> None:
        """Count a wrong token; the reply is counted too."""


class IRequestLog(Interface):
    """Records the requests that have ended."""

    least: int = Attribute("The lowest code that is recorded.")

    def record(request: Request, route: str, code: int, seconds: float, size: int) -> None:
        """Record a request.

        :param route: the method and the pattern; empty for a request without a route.
        :param code: of the reply.
        :param seconds: the time from the request to the reply, or to the end of a stream.
        :param size: of the result or of all items, in bytes of JSON; of a page, as it is sent.
        """


class IFailureLog(Interface):
    """Logs the failures whose details peers must not see."""

    def failed(request: Request, error: BaseException) -> None:
        """Log an exception of an action that is not a :class:`unixsvc.errors.ServiceError`."""

    def internal(request: Request, error: ServiceError) -> None:
        """Log the details of an error that the peer gets without them."""

    def aborted(request: Request, code: int) -> None:
        """Log that an action was cancelled or exceeded its deadline.

        :param code: 499 or 504.
        """

    def wrong_token(request: Request) -> None:
        """Log that a request had a wrong token."""


class IBlockingRunner(Interface):
    """Runs blocking functions outside the event loop."""

    def run(function: Callable[[], _T]) -> Awaitable[_T]:
        """Call the function in another thread; the awaitable has its result or its exception."""


class IIdempotencyStore(Interface):
    """Stores requests and replies by idempotency key, shared by all workers of a service."""

    def begin(key: bytes, fingerprint: bytes) -> tuple[bytes, Reply | None] | None:
        """Record the start of an action unless the key has a record already.

        :param fingerprint: the digest of the request.
        :returns: None if the action is to run now; the caller then calls :meth:`finish`. Otherwise the
            fingerprint of the first request, and its reply, or None while the action runs.
        :raises unixsvc.errors.Unavailable: if the start cannot be recorded; the action must not run then.
        :raises unixsvc.datasource.idempotency.database.LockHeld: if it can be tried again soon.
        """

    def finish(key: bytes, reply: Reply) -> None:
        """Store the reply of an action that :meth:`begin` has recorded.

        :raises unixsvc.errors.Unavailable: if it cannot be stored; the outcome of the action is unknown then.
        :raises unixsvc.datasource.idempotency.database.LockHeld: if it can be tried again soon.
        """

    def abandon(key: bytes) -> None:
        """Do not try again to store the reply of an action: its outcome is unknown then."""


class IServices(Interface):
    """Calls other services. Controllers get it from the container.

    A call inherits the request context: it has at most the remaining time of the action, it carries the
    ``request_id`` and the ``traceparent`` of the request, and it is cancelled with the action.

    The arguments of the short forms are the data, except for ``type``: the result is decoded as this type.
    """

    def get(
        service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method GET."""

    def post(
        service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method POST."""

    def put(
        service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method PUT."""

    def patch(
        service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method PATCH."""

    def delete(
        service: str, path: str, /, *, type: ResultType[ResultT] = Json, **data: object
    ) -> Awaitable[ResultT]:
        """Call a service with the method DELETE."""

    def call(
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
        service: str, method: str, path: str, data: object = None, **options: Unpack[OpenOptions]
    ) -> Awaitable[Raw | Created[Raw] | Reply | AsyncIterator[Raw]]:
        """Call a service for a result or a stream, as a mount does.

        Without the option ``limit`` the remaining time of the action does not apply to the whole stream, as
        the action's own reply may be the stream.

        :returns: the encoded result; the created resource; the reply, if it has a status, header fields or a
            media type of its own; or a stream of encoded items with ``aclose``, and with ``head``, what the
            reply says over HTTP besides.
        """
