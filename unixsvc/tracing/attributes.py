"""Attributes of spans: the semantic conventions of OpenTelemetry 1.45 for RPC and HTTP, and our own. Pure.

https://opentelemetry.io/docs/specs/semconv/rpc/rpc-spans/ and …/http/http-spans/
"""

from __future__ import annotations

from typing import Final, TypeAlias

from unixsvc.domain.message import Request
from unixsvc.limiting.keys import client_address

__all__ = [
    "DEADLINE_LEFT",
    "ERROR_TYPE",
    "HTTP_STATUS",
    "RPC_STATUS",
    "STREAM_ITEMS",
    "UNIQUE",
    "Attributes",
    "call_attributes",
    "call_name",
    "http_attributes",
    "http_name",
    "job_attributes",
    "rpc_attributes",
    "rpc_name",
]

Attributes: TypeAlias = dict[str, str | int | float]

DEADLINE_LEFT: Final = "unixsvc.deadline.left"
"""The seconds that were left for the reply when the span began."""
STREAM_ITEMS: Final = "unixsvc.stream.items"
HTTP_STATUS: Final = "http.response.status_code"
RPC_STATUS: Final = "rpc.response.status_code"
ERROR_TYPE: Final = "error.type"

_REQUEST_ID: Final = "unixsvc.request.id"
_PATH: Final = "url.path"
_ORIGINAL: Final = "rpc.method_original"
UNIQUE: Final = frozenset({_REQUEST_ID, _PATH, _ORIGINAL})
"""Attributes that have another value for each request, or many values."""

_SYSTEM: Final = "unixsvc"
_OTHER: Final = "_OTHER"
_HTTP_METHODS: Final = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE", "WEBSOCKET"}
)
_MAX_TEXT: Final = 1024  # characters; clients choose paths and names


def http_name(request: Request, route: str) -> str:
    """The name of the span of an HTTP request.

    :param route: the pattern of the route; empty without one.
    """
    method = request.method if request.method in _HTTP_METHODS else "HTTP"
    method = "GET" if request.channel is not None else method
    return f"{method} {route}" if route else method


def http_attributes(request: Request, route: str, deadline_left: float) -> Attributes:
    """The attributes of the span of an HTTP request."""
    method = "GET" if request.channel is not None else request.method
    found: Attributes = {
        "http.request.method": method if method in _HTTP_METHODS else _OTHER,
        "url.scheme": "https" if request.secure else "http",
        DEADLINE_LEFT: deadline_left,
        _REQUEST_ID: request.request_id,
    }
    if request.path.startswith("/"):  # that of a malformed request may not be known
        found[_PATH] = request.path[:_MAX_TEXT]
    if method not in _HTTP_METHODS:
        found["http.request.method_original"] = method[:_MAX_TEXT]
    if route:
        found["http.route"] = route
    if agent := request.header("User-Agent"):
        found["user_agent.original"] = agent[:_MAX_TEXT]
    if address := client_address(request):
        found["client.address"] = address
    host, port = _authority(request.header("Host") or "")
    if host:
        found["server.address"] = host[:_MAX_TEXT]
        if port:
            found["server.port"] = port
    return found


def rpc_name(service: str, request: Request, route: str) -> str:
    """The name of the span of a request over a socket."""
    return f"{service}/{request.method} {route}" if route else service


def rpc_attributes(service: str, request: Request, route: str, deadline_left: float) -> Attributes:
    """The attributes of the span of a request over a socket."""
    found: Attributes = {
        "rpc.system.name": _SYSTEM,
        "rpc.method": f"{service}/{request.method} {route}" if route else _OTHER,
        _ORIGINAL: _original(service, request.method, request.path),
        "network.transport": "unix",
        "server.address": service,
        DEADLINE_LEFT: deadline_left,
        _REQUEST_ID: request.request_id,
    }
    if caller := request.identity:
        found["unixsvc.caller"] = caller
    return found


def job_attributes(request: Request, attempt: int) -> Attributes:
    """The attributes of the span of a run of a job.

    :param request: stands for the run.
    :param attempt: 1, or more if earlier runs for the same tick were interrupted.
    """
    return {"unixsvc.schedule": request.path, "unixsvc.attempt": attempt, _REQUEST_ID: request.request_id}


def call_name(service: str, method: str) -> str:
    """The name of the span of a call. A caller does not know the route, and a path has too many values."""
    return f"{service}/{method}"


def call_attributes(service: str, method: str, path: str, deadline_left: float | None) -> Attributes:
    """The attributes of the span of a call.

    :param deadline_left: in seconds; None for no limit.
    """
    found: Attributes = {
        "rpc.system.name": _SYSTEM,
        "rpc.method": _OTHER,  # as the conventions demand where the methods are not known
        _ORIGINAL: _original(service, method, path.partition("?")[0]),
        "network.transport": "unix",
        "server.address": service,
    }
    if deadline_left is not None:
        found[DEADLINE_LEFT] = deadline_left
    return found


def _original(service: str, method: str, path: str) -> str:
    return f"{service}/{method} {path}"[:_MAX_TEXT]


def _authority(host: str) -> tuple[str, int]:
    """The name and the port of a Host header; 0 without a port."""
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdigit() and len(port) <= 5:
        return name.strip("[]"), int(port)
    return host.strip("[]"), 0
