"""Routes that exist over HTTP only."""

from __future__ import annotations

from unixsvc.domain.body_spec import HTTP_ONLY
from unixsvc.domain.message import Request
from unixsvc.errors import Malformed
from unixsvc.routing.gates import Gate
from unixsvc.routing.route import Route
from unixsvc.routing.signature import Signature

__all__ = ["http_only_gate"]


def http_only_gate(route: Route, signature: Signature, where: str) -> Gate | None:
    """Make the gate of a route whose result is a file: over a socket, its action is not called."""
    return _require_http if signature.result.file else None


def _require_http(request: Request) -> None:
    if request.headers is None:
        raise Malformed(HTTP_ONLY)
