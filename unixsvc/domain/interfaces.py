"""All interfaces of the domain. Providers say so with ``@implementer``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from zope.interface import Interface

from unixsvc.domain.message import Reply, Request

__all__ = [
    "IBlockingRunner",
    "IFailureLog",
    "IFigures",
    "IGuard",
    "IHandleMessage",
    "IOrchestrator",
    "IRequestHandler",
    "IRouterDatasource",
    "IRouterRepository",
    "IServicePool",
]


class IHandleMessage(Interface):
    """The one use case: a request becomes a reply. The same for every transport."""

    def __call__(request: Request) -> Coroutine[Any, Any, Reply]:
        """Answer a request.

        The coroutine may be stepped by anyone who can wait for what it yields. It never raises because
        of what the request or the action did: failures are replies.
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

    def handle(request: Request) -> Awaitable[Reply]:
        """Have it answered.

        :raises unixsvc.errors.ServiceError: for every failure that the caller may know of.
        """


class IGuard(Interface):
    """Decides who may ask."""

    def admit(request: Request) -> None:
        """Let a request pass, and note on its caller what was learnt.

        :raises unixsvc.errors.Unauthorized: if it may not pass.
        """


class IFigures(Interface):
    """Counts what was answered."""

    def count(code: int, seconds: float) -> None:
        """One more reply, with its code and how long it took."""


class IFailureLog(Interface):
    """Keeps what peers must not see."""

    def failed(request: Request, error: BaseException) -> None:
        """An action raised something that is no :class:`unixsvc.errors.ServiceError`."""


class IBlockingRunner(Interface):
    """Runs what blocks, where it holds up nobody."""

    def run(function: Callable[[], Any]) -> Awaitable[Any]:
        """Call the function elsewhere; its result or exception comes back through the awaitable."""


class IRequestHandler(Interface):
    """One service on one listening endpoint: the extension point for other transports.

    Made by calling what the configuration names under ``handler`` with a
    :class:`unixsvc.socket.server.Handling`. It is a Twisted service as well, whose
    ``stopService`` drains and returns a Deferred.
    """

    def listen() -> Awaitable[None]:
        """Begin to accept; done when clients can connect."""

    def drain() -> Awaitable[None]:
        """Accept nothing more, answer what was asked, close; done when every connection is gone."""

    def abort() -> None:
        """Close every connection now; what was asked stays unanswered."""

    def connections() -> int:
        """How many clients are connected."""


class IServicePool(Interface):
    """All that runs one service: a pool of workers, or one service in this process. A Twisted service too."""

    def booted() -> Awaitable[None]:
        """Done when the service is ready for the first time.

        :raises unixsvc.errors.ConfigError: if it cannot start.
        """

    def figures() -> Any:
        """What is known of its workers now: a :class:`unixsvc.orchestrator.status.PoolFigures`."""

    def refresh() -> Awaitable[Any]:
        """Have the figures brought up to date; done within about a second."""

    def abort() -> None:
        """End it now; what was asked stays unanswered."""


class IOrchestrator(Interface):
    """Runs services."""

    def register(name: str, settings: Any) -> None:
        """Have a service run: its name, and a :class:`unixsvc.config.ServiceSettings`."""

    def status() -> Awaitable[dict[str, Any]]:
        """Each service by name: a :class:`unixsvc.orchestrator.status.ServiceStatus`."""
