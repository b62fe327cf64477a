"""Responses to exceptions of werkzeug: of its routing, and those that routes raise."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from twisted.web.server import Request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from unixsvc.domain.message import Reply
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.web.responses import set_response

__all__ = ["set_http_error"]

_BODY_HEADERS: Final = frozenset({"content-type", "content-length"})


def set_http_error(
    request: Request, error: HTTPException, builder: ResponseBuilder, context: ResponseContext
) -> bytes:
    """Set the status code and the headers of the response to an exception of werkzeug; returns the body."""
    if error.response is not None or error.code is None:
        response: Any = error.get_response({})  # its declared type has no body
        request.setResponseCode(response.status_code)
        for name, value in response.headers:
            request.setHeader(name.encode(), value.encode())
        return b"".join(response.iter_encoded())
    for name, value in error.get_headers({}):
        if name.lower() not in _BODY_HEADERS:
            request.setHeader(name.encode(), value.encode())
    if isinstance(error, RequestRedirect):
        return _redirect(request, error)
    detail: object = error.description
    if error.code == 405:
        detail = {"allowed": sorted(set(getattr(error, "valid_methods", None) or ()) - {"OPTIONS"})}
    reply = Reply(error.code, b"", error.name, detail)
    return set_response(request, builder.from_reply(reply, context))


def _redirect(request: Request, error: RequestRedirect) -> bytes:
    """Redirect to a relative URL: Klein drops the query, and takes the server's port for the client's."""
    path = "/" + urlsplit(error.new_url).path.lstrip("/")
    query = request.uri.partition(b"?")[1:]
    request.setResponseCode(error.code)
    request.setHeader(b"Location", path.encode() + b"".join(query))
    request.setHeader(b"Content-Length", b"0")
    return b""
