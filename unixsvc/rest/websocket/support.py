"""Whether a service has WebSockets; the library for them is needed only then."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from unixsvc.domain.websocket import WEBSOCKET
from unixsvc.errors import ConfigError
from unixsvc.rest.encode import ResponseBuilder
from unixsvc.rest.headers.cross_origin import CrossOriginRules
from unixsvc.routing.route import Group, Route
from unixsvc.server.context import HandlerContext

if TYPE_CHECKING:
    from unixsvc.rest.websocket.sessions import WebSocketSessions

__all__ = ["make_sessions", "require_library"]


def make_sessions(
    context: HandlerContext, builder: ResponseBuilder, origins: CrossOriginRules
) -> WebSocketSessions | None:
    """Make what opens WebSockets; None if the service has none, nor mounts, which may have some.

    :raises ConfigError: if the service has WebSockets, and the library is not installed.
    """
    has_own = bool(_paths(context.http.routes))
    if not (has_own or context.http.mounts):
        return None
    try:
        from unixsvc.rest.websocket.sessions import HandshakeResponses, WebSocketSessions
    except ImportError:
        if not has_own:
            return None
        raise _no_library(context.http.routes) from None
    http = context.http.settings
    responses = HandshakeResponses(builder, origins, expects_token=http.token != "off")
    return WebSocketSessions(http.websocket, context.limits, context.handle, context.reactor, responses)


def require_library(routes: Iterable[Group | Route]) -> None:
    """Require the library for WebSockets, if there are routes for them.

    :raises ConfigError: if it is not installed.
    """
    routes = list(routes)
    if _paths(routes) and find_spec("websockets") is None:
        raise _no_library(routes)


def _no_library(routes: Iterable[Group | Route]) -> ConfigError:
    where = f"{WEBSOCKET} {_paths(routes)[0]}"
    return ConfigError(where, "needs the package websockets", "pip install 'unixsvc[websocket]'")


def _paths(entries: Iterable[Group | Route]) -> list[str]:
    """The patterns of the routes for WebSockets, with the prefixes of their groups."""
    return [
        prefix + route.pattern
        for entry in entries
        for prefix, routes in [(entry.prefix, entry.routes) if isinstance(entry, Group) else ("", [entry])]
        for route in routes
        if route.method == WEBSOCKET
    ]
