"""What the answers to requests of the page have in common."""

from __future__ import annotations

from typing import Final

import msgspec
from twisted.web.http import NOT_MODIFIED, OK
from twisted.web.server import Request

from unixsvc.dashboard.files import read_static
from unixsvc.domain.same_origin import is_same_origin
from unixsvc.errors import Forbidden, NotFound, ServiceError, Unauthorized
from unixsvc.rest.headers.accept import accepts_gzip
from unixsvc.rest.headers.etags import is_known
from unixsvc.rest.problem import PROBLEM, problem

__all__ = [
    "COOKIE",
    "HEADERS",
    "address_of",
    "argument",
    "check_origin",
    "cookie_of",
    "header_of",
    "refuse",
    "send_file",
    "to_json",
]

COOKIE: Final = b"unixsvc-session"
_JSON: Final = b"application/json"
# The page has no inline scripts, and loads nothing from elsewhere.
HEADERS: Final = (
    (b"Content-Security-Policy",
     b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
     b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Opener-Policy", b"same-origin"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Cache-Control", b"no-cache"),
)  # fmt: skip
"""The headers of all answers."""


async def send_file(request: Request) -> bytes:
    """The body of an answer that is a file of the page."""
    file = read_static(request.path.decode("latin-1"))
    if file is None:
        raise NotFound
    request.setHeader(b"ETag", file.etag)
    request.setHeader(b"Vary", b"Accept-Encoding")
    if is_known(file.etag, request.requestHeaders.getRawHeaders(b"If-None-Match", [])):
        request.setResponseCode(NOT_MODIFIED)
        return b""
    request.setHeader(b"Content-Type", file.content_type)
    if not accepts_gzip(request.requestHeaders.getRawHeaders(b"Accept-Encoding", [])):
        return file.plain
    request.setHeader(b"Content-Encoding", b"gzip")
    return file.body


def check_origin(request: Request) -> None:
    """Check that the page itself has sent a request that changes something.

    Browsers send ``Origin`` with all of these; other clients have to send it too.

    :raises Forbidden: if not.
    """
    origins = request.requestHeaders.getRawHeaders(b"Origin", [])
    sites = request.requestHeaders.getRawHeaders(b"Sec-Fetch-Site", [b"same-origin"])
    host = {b"Host": request.requestHeaders.getRawHeaders(b"Host", [b""])}
    if not origins or sites != [b"same-origin"] or not is_same_origin(origins, host):
        raise Forbidden("this request is not from the page: its Origin is another one")


def to_json(request: Request, value: object) -> bytes:
    """The body of an answer."""
    request.setResponseCode(OK)
    request.setHeader(b"Content-Type", _JSON)
    request.setHeader(b"Cache-Control", b"no-store")
    return msgspec.json.encode(value)


def refuse(request: Request, error: ServiceError) -> bytes:
    """The body of an answer that is an error, whose code is set."""
    request.setResponseCode(error.code)
    request.setHeader(b"Content-Type", PROBLEM)
    request.setHeader(b"Cache-Control", b"no-store")
    if isinstance(error, Unauthorized):
        request.setHeader(b"WWW-Authenticate", b"Bearer")
    return problem(error.code, error.message, error.detail)


def header_of(request: Request, name: bytes) -> str:
    """A header of the request; empty if it is not there."""
    return (request.getHeader(name) or b"").decode("latin-1")


def argument(request: Request, name: bytes) -> str:
    """A parameter of the query; empty if it is not there."""
    values: list[bytes] = (request.args or {}).get(name, [b""])
    return values[0].decode("utf-8", "replace")


def cookie_of(request: Request) -> str:
    """The cookie of the session; empty if there is none."""
    cookie: bytes = request.getCookie(COOKIE) or b""
    return cookie.decode("latin-1")


def address_of(request: Request) -> str:
    """Where the request is from, for the log."""
    host: str = getattr(request.getClientAddress(), "host", "")
    return host or "a Unix socket"
