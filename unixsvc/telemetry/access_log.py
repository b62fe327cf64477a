"""The access log: one event for each request."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from twisted.logger import Logger, LogLevel

from unixsvc.domain.message import Request
from unixsvc.domain.route_info import RouteInfo
from unixsvc.limiting.keys import client_address

__all__ = ["NAMESPACE", "Access", "AccessLog"]

NAMESPACE: Final = "unixsvc.access"
"""The name of the logger, for ``[log.loggers]``."""

Access: TypeAlias = Literal["off", "errors", "all"] | float

_ERROR: Final = 400
_FAILURE: Final = 500


class AccessLog:
    """Logs requests when they have been answered.

    The query is not logged: it may contain secrets.

    :param service: the name of the service.
    :param access: what is logged, as ``[log] access``; not ``off``.
    :param find_route: finds the route of a request.
    :param random: returns a number from 0 to 1.
    """

    def __init__(
        self,
        service: str,
        access: Access,
        find_route: Callable[[Request], RouteInfo | None],
        random: Callable[[], float] = random.random,
    ) -> None:
        self._service = service
        self._least = _ERROR if access == "errors" else 0
        self._share = access if isinstance(access, float | int) else 1.0
        self._find_route = find_route
        self._random = random
        self._log = Logger(NAMESPACE)

    def record(self, request: Request, code: int, seconds: float, size: int) -> None:
        """Log a request, if it is one of those that are to be logged.

        :param code: of the reply.
        :param seconds: the time from the request to the reply, or to the end of a stream.
        :param size: of the result or of all items, in bytes of JSON; of a page, as it is sent.
        """
        if code < self._least or (code < _FAILURE and self._share < 1 and self._random() >= self._share):
            return
        route = self._find_route(request)
        fields: dict[str, object] = {
            "service": self._service,
            "method": request.method,
            "path": request.path,
            "route": None if route is None else f"{route.method} {route.pattern}",
            "code": code,
            "ms": round(seconds * 1000, 3),
            "bytes": size,
            "caller": request.identity,
        }
        address = client_address(request)
        if address:
            fields["address"] = address
        self._log.emit(LogLevel.info, "request", fields=fields, request_id=request.request_id)
