"""The access log: one event for each request."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, Literal, Protocol, TypeAlias

from msgspec.json import Encoder
from twisted.logger import Logger, LogLevel

from unixsvc.domain.message import Request
from unixsvc.domain.route_info import RouteInfo
from unixsvc.domain.trace_context import TRACEPARENT, trace_ids
from unixsvc.telemetry.access.entry import MESSAGE, NAMESPACE, Entry, fields_of
from unixsvc.telemetry.log_record import limited_name

__all__ = ["Access", "AccessLog", "Journal"]

Access: TypeAlias = Literal["off", "errors", "all"] | float

_ERROR: Final = 400
_FAILURE: Final = 500
_MAX_ROUTES: Final = 1_024  # paths whose routes are remembered
_MAX_TEXT: Final = 1_000  # characters
_UNKNOWN: Final = "?"  # no route: they begin with a method


class Journal(Protocol):
    """Takes entries, see :class:`~unixsvc.telemetry.access.journal.AccessJournal`.

    :ivar admits: whether requests of a route are logged; None if all are.
    """

    admits: Callable[[str], bool] | None

    def add(self, line: bytes) -> None:
        """Take one.

        :param line: an :class:`Entry` as JSON, with a line end.
        """


class AccessLog:
    """Logs requests when they have been answered.

    The query is not logged: it may contain secrets.

    :param service: the name of the service.
    :param access: what is logged, as ``[log] access``; not ``off``.
    :param find_route: finds the route of a request.
    :param random: returns a number from 0 to 1.
    :param slot: of the worker.
    :param journal: takes the events, for the orchestrator; None to log them as all others, which costs much
        more.
    :ivar least: the lowest code that is logged.
    """

    def __init__(
        self,
        service: str,
        access: Access,
        find_route: Callable[[Request], RouteInfo | None],
        random: Callable[[], float] = random.random,
        *,
        slot: int = 1,
        journal: Journal | None = None,
    ) -> None:
        self._service = service
        self._slot = slot
        self.least = _ERROR if access == "errors" else 0
        self._share = access if isinstance(access, float | int) else 1.0
        self._random = random
        self._find_route = find_route
        self._routes: dict[tuple[str, str], str | None] = {}
        self._encode = Encoder().encode
        self._time = time.time_ns
        self._journal = journal
        self._log = Logger(NAMESPACE)

    def record(self, request: Request, code: int, seconds: float, size: int) -> None:
        """Log a request, if it is one of those that are to be logged.

        :param code: of the reply.
        :param seconds: the time from the request to the reply, or to the end of a stream.
        :param size: of the result or of all items, in bytes of JSON; of a page, as it is sent.
        """
        if code < self.least or (code < _FAILURE and self._share < 1 and self._random() >= self._share):
            return
        method, path = request.method, request.path
        route = self._routes.get((method, path), _UNKNOWN)
        if route is _UNKNOWN:
            route = self._look_up(request)
        journal = self._journal
        if journal is not None and journal.admits is not None and not journal.admits(route or ""):
            return
        caller, identity, address = request.caller, None, None
        # Most HTTP clients have no identity, and the calls to find that out would cost as much as all this.
        if request.extras or caller.grant or caller.known_peer is None or caller.known_peer.uid is not None:
            identity = request.identity
        if request.headers is not None:
            address = request.meta.get("client_address") or getattr(request.peer_address, "host", None)
        if len(path) > _MAX_TEXT:
            path = limited_name(path)
        micros = int(seconds * 1_000_000)
        # Integers, as the text of a float costs as much as all others; no struct, as that costs more still.
        parent = request.meta.get(TRACEPARENT)
        entry = (
            self._time(), request.request_id, method, path, route, code, micros, size, identity, address,
            parent,
        )  # fmt: skip
        if journal is not None:
            journal.add(self._line(entry))
        else:
            fields = fields_of(Entry(*entry), self._service, self._slot)
            self._log.emit(
                LogLevel.info, MESSAGE, fields=fields, request_id=request.request_id, trace=trace_ids(parent)
            )

    def _line(self, entry: tuple[int | str | None, ...]) -> bytes:
        try:
            return self._encode(entry) + b"\n"
        except UnicodeEncodeError:  # there are surrogates in it
            return (
                self._encode([limited_name(each) if isinstance(each, str) else each for each in entry])
                + b"\n"
            )

    def _look_up(self, request: Request) -> str | None:
        found = self._find_route(request)
        if len(self._routes) >= _MAX_ROUTES:
            self._routes.clear()
        route = None if found is None else f"{found.method} {found.pattern}"
        self._routes[request.method, request.path] = route
        return route
