"""Whether a service has WebSockets; the library for them is needed only then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unixsvc.domain.websocket import WEBSOCKET
from unixsvc.errors import ConfigError
from unixsvc.rest.encode import ResponseBuilder
from unixsvc.rest.headers.cross_origin import CrossOriginRules
from unixsvc.routing.route import Group, Route
from unixsvc.server.context import HandlerContext

if TYPE_CHECKING:
    from unixsvc.rest.websocket.sessions import WebSocketSessions

__all__ = ["make_sessions"]


def make_sessions(
    context: HandlerContext, builder: ResponseBuilder, origins: CrossOriginRules
) -> WebSocketSessions | None:
    """Make what opens WebSockets; None if the service has none, nor mounts, which may have some.

    :raises ConfigError: if the service has WebSockets, and the library is not installed.
    """
    routes = _routes(context.http.routes)
    has_own = any(route.method == WEBSOCKET for route in routes)
    if not (has_own or context.http.mounts):
        return None
    try:
        from unixsvc.rest.websocket.sessions import HandshakeResponses, WebSocketSessions
    except ImportError:
        if not has_own:
            return None
        raise ConfigError(
            "WEBSOCKET", "needs the package websockets", "pip install 'unixsvc[websocket]'"
        ) from None
    http = context.http.settings
    responses = HandshakeResponses(builder, origins, expects_token=http.token != "off")
    return WebSocketSessions(http.websocket, context.limits, context.handle, context.reactor, responses)


def _routes(entries: Iterable[Group | Route]) -> list[Route]:
    return [route for entry in entries for route in (entry.routes if isinstance(entry, Group) else [entry])]
