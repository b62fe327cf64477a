"""The call that an interceptor sees."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol

import msgspec
from msgspec.structs import force_setattr

from unixsvc.domain.message import Reply, Request
from unixsvc.domain.route_info import RouteInfo

__all__ = ["Call", "Interceptor", "Proceed"]

_encode: Final = msgspec.json.Encoder().encode


class Call:
    """A call: on the server's side a request that is served, on the client's side one that is made.

    :param find_route: finds the route of the request; None on the client's side.
    :param now: a monotonic clock, in seconds.
    :ivar service: the service that is called.
    :ivar request: the request. The methods of this class change it.
    :ivar side: ``server`` or ``client``.
    """

    __slots__ = ("_find_route", "_now", "_started", "request", "service", "side")

    def __init__(
        self,
        service: str,
        request: Request,
        side: Literal["server", "client"],
        find_route: Callable[[Request], RouteInfo | None] | None = None,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.service = service
        self.request = request
        self.side: Literal["server", "client"] = side
        self._find_route = find_route
        self._now = now
        self._started = now()

    def __repr__(self) -> str:
        return f"<Call of {self.service}: {self.request!r}>"

    @property
    def route(self) -> RouteInfo | None:
        """The route; None for a path without one or of a mount, and on the client's side."""
        return None if self._find_route is None else self._find_route(self.request)

    @property
    def is_page(self) -> bool:
        """Whether a Klein route answers, or a page of the documentation. Interceptors see no body of it."""
        return False

    @property
    def seconds(self) -> float:
        """The time since the call has started."""
        return self._now() - self._started

    def set_meta(self, name: str, value: str) -> None:
        """Set an entry of the request's ``meta``: for the action, or for the service that is called."""
        force_setattr(self.request, "meta", {**self.request.meta, name: value})

    def set_path(self, path: str) -> None:
        """Have the request served by another route, or another mount; or call another path.

        :param path: starts with ``/``; without a query.
        """
        force_setattr(self.request, "path", path)

    def add_reply_header(self, name: str, value: str) -> None:
        """Add a header field to the HTTP response, on the server's side; also if it is an error.

        :raises ValueError: if the field cannot be part of a response.
        """
        self.request.add_reply_header(name, value)

    def reply(self, result: object = None) -> Reply:
        """A reply with a result, to return in place of that of ``proceed``."""
        return Reply(200, _encode(result).replace(b"\n", b" "))


class Proceed(Protocol):
    """Passes a call on: to the next interceptor, or to the action; on the client's side to the service."""

    def __call__(self, call: Call, /) -> Awaitable[Reply]:
        """Pass a call on.

        :raises unixsvc.errors.ServiceError: an error reply.
        :raises Exception: of an action, as it was raised.
        """


class Interceptor(Protocol):
    """Is called with each call: a function, mostly a coroutine function, or an object with ``__call__``."""

    def __call__(self, call: Call, proceed: Proceed, /) -> Reply | Awaitable[Reply]:
        """Return ``await proceed(call)``, or another reply; or raise an error."""
