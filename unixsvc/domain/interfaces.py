"""All interfaces of the domain. Providers say so with ``@implementer``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from zope.interface import Interface

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.stream import ReplyStream

__all__ = [
    "IBlockingRunner",
    "IFailureLog",
    "IGuard",
    "IHandleMessage",
    "IIdempotencyStore",
    "IMetrics",
    "IRouterDatasource",
    "IRouterRepository",
    "IServices",
]


class IHandleMessage(Interface):
    """The one use case: a request becomes a reply, or a stream. The same for every transport."""

    def __call__(request: Request) -> Reply | ReplyStream | SuspendedCoroutine[Reply | ReplyStream]:
        """Start to answer a request. Most requests are answered at once.

        A suspended coroutine is driven by the caller; a caller that is a coroutine awaits it with
        :func:`unixsvc.domain.coroutine.await_result`. Failures of the request or the action are
        replies, never exceptions.
        """

    def seconds_for(request: Request) -> float:
        """How long the answer may take, in seconds: the caller's limit or ours, whichever is less."""


class IRouterRepository(Interface):
    """Knows which datasource answers a request."""

    def datasource_for(request: Request) -> IRouterDatasource:
        """Choose.

        :raises unixsvc.errors.ServiceError: if nothing answers it.
        """


class IRouterDatasource(Interface):
    """Somewhere that answers requests: a router in this process, or another service."""

    def handle(request: Request) -> Reply | Awaitable[Reply]:
        """Have it answered, at once or later.

        :raises unixsvc.errors.ServiceError: for every failure that the caller may know of.
        """


class IGuard(Interface):
    """Decides who may ask."""

    def admit(request: Request) -> None:
        """Let a request pass, and note on its caller what was learnt. One that is trusted is not asked for.

        :raises unixsvc.errors.Unauthorized: if it may not pass.
        """


class IMetrics(Interface):
    """Counts what was answered."""

    def count(code: int, seconds: float) -> None:
        """One more reply, with its code and how long it took."""


class IFailureLog(Interface):
    """Keeps what peers must not see."""

    def failed(request: Request, error: BaseException) -> None:
        """An action raised something that is no :class:`unixsvc.errors.ServiceError`."""

    def aborted(request: Request, code: int) -> None:
        """An action was cancelled, or ran out of time.

        :param code: 499 or 504.
        """


class IBlockingRunner(Interface):
    """Runs what blocks, where it holds up nobody."""

    def run(function: Callable[[], Any]) -> Awaitable[Any]:
        """Call the function elsewhere; its result or exception comes back through the awaitable."""


class IIdempotencyStore(Interface):
    """Keeps what was begun and answered for idempotency keys, over all workers of a service."""

    def begin(key: bytes, fingerprint: bytes) -> tuple[bytes, Reply | None] | None:
        """Note that an action begins, unless one has begun for this key.

        :param fingerprint: of the request.
        :returns: None if it is to begin now, and :meth:`finish` is to be called; else the fingerprint of the
            request that was first, and its answer, or None while it runs.
        :raises unixsvc.errors.Unavailable: if that cannot be noted; then it must not begin.
        """

    def finish(key: bytes, reply: Reply) -> None:
        """Keep the answer to what has begun here.

        :raises unixsvc.errors.Unavailable: if that cannot be.
        """


class IServices(Interface):
    """Asks other services. Controllers get it from the container.

    What an action asks has no more time than the action itself has, bears its request's ``request_id`` and
    ``traceparent``, and is cancelled with it.
    """

    def get(service: str, path: str, /, **data: Any) -> Awaitable[Any]:
        """Ask with the method GET."""

    def post(service: str, path: str, /, **data: Any) -> Awaitable[Any]:
        """Ask with the method POST."""

    def put(service: str, path: str, /, **data: Any) -> Awaitable[Any]:
        """Ask with the method PUT."""

    def patch(service: str, path: str, /, **data: Any) -> Awaitable[Any]:
        """Ask with the method PATCH."""

    def delete(service: str, path: str, /, **data: Any) -> Awaitable[Any]:
        """Ask with the method DELETE."""

    def call(
        service: str,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
        meta: dict[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Awaitable[Any]:
        """Ask.

        :param data: a dict or a Struct.
        :param timeout: in seconds; it counts where it is less than what the action has left.
        :param type: what the result is to be.
        :param meta: goes before what is carried on.
        :raises unixsvc.errors.ServiceError: what the service has answered; Unavailable if it cannot be asked,
            DeadlineExceeded when the time is over, BadGateway if it answers nonsense.
        """

    def stream(
        service: str,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        type: Any = Any,
        meta: dict[str, str] | None = None,
    ) -> AsyncIterator[Any]:
        """Ask for a stream; to leave the loop over it cancels it.

        :param type: what each item is to be.
        """

    def open(
        service: str,
        method: str,
        path: str,
        data: Any = None,
        *,
        timeout: float | None = None,
        limit: float | None = None,
        meta: dict[str, str] | None = None,
    ) -> Awaitable[Any]:
        """Ask where it is not known whether the answer is a stream, as for a mount.

        :param timeout: until the answer, or the first item of a stream; as that of ``call``.
        :param limit: for all of a stream, in seconds; none if None. What the action has left is no limit, as
            its answer may be that stream.
        :returns: the result as JSON, a :class:`msgspec.Raw`; or an asynchronous iterator over items likewise,
            with ``aclose``.
        """
