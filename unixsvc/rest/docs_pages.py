"""The documentation pages: ``/docs`` for people and ``/openapi.json`` for programs.

The page is Swagger UI, from files in the package. It loads nothing from other hosts, and its URLs are
relative, so that it works behind any prefix.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Awaitable, Callable
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from string import Template
from typing import Final

import msgspec
from klein import Klein
from msgspec import Struct
from twisted.internet.defer import CancelledError
from twisted.web.http import NOT_MODIFIED, OK, PERMANENT_REDIRECT
from twisted.web.server import Request

from unixsvc.domain.json import JsonObject
from unixsvc.errors import BadGateway, DeadlineExceeded, Internal, ServiceError, Unavailable
from unixsvc.rest.headers.accept import accepts_gzip
from unixsvc.rest.headers.etags import etag_of, is_known
from unixsvc.rest.problem import PROBLEM, problem
from unixsvc.rest.response import BARE, HeaderPairs, Response, header_lines
from unixsvc.rest.web.responses import set_response
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["add_pages"]

_log: Final = LimitedLogger(__name__)

DocumentSource = Callable[[], Awaitable[JsonObject]]

# A descriptor: the user of the worker may not be able to enter the folder of the installation.
_STATIC: Final = os.open(Path(__file__).with_name("static"), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
_HTML: Final = b"text/html; charset=utf-8"
_JSON: Final = b"application/json"
_SCRIPT: Final = b"text/javascript; charset=utf-8"

# The path and the media type of each file, by the last segment of its URL. Each file has a route of its own,
# so that no part of a request ever becomes part of a file path.
_FILES: Final[dict[str, tuple[str, bytes]]] = {
    "init.js": ("init.js", _SCRIPT),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", _SCRIPT),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", b"text/css; charset=utf-8"),
    "favicon-32x32.png": ("swagger-ui/favicon-32x32.png", b"image/png"),
}
# The files that the page refers to, by the names of their placeholders in docs.html.
_PLACEHOLDERS: Final = {
    "favicon": "favicon-32x32.png",
    "style": "swagger-ui.css",
    "bundle": "swagger-ui-bundle.js",
    "init": "init.js",
}

_IMMUTABLE: Final = b"public, max-age=31536000, immutable"
_REVALIDATE: Final = b"no-cache"

# Icons within the style sheet are data: URLs, and so are images that Swagger UI draws.
_PAGE_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILE_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
_NO_FRAMES: Final[HeaderPairs] = ((b"X-Frame-Options", b"DENY"),)

_MIN_GZIP: Final = 1024  # bytes; compression saves little below
_COMPRESSED: Final = frozenset({b"image/png"})

# The services that the document is made from cannot answer now.
_TEMPORARY: Final = (BadGateway, DeadlineExceeded, Unavailable)


class _Content(Struct, frozen=True):
    """The content at a URL.

    :ivar body: uncompressed.
    :ivar content_type: its media type.
    :ivar policy: its Content-Security-Policy.
    :ivar cache_control: its Cache-Control.
    """

    body: bytes
    content_type: bytes
    policy: bytes = _FILE_POLICY
    cache_control: bytes = _REVALIDATE


def add_pages(app: Klein, openapi: DocumentSource) -> None:
    """Add ``/openapi.json``, ``/docs`` and the files of that page. They are public.

    :param app: to which they are added.
    :param openapi: makes the OpenAPI document for each request. If it raises an error of a service that
        cannot answer now, the response is 503; for any other error it is 500. Neither has details.
    """
    pages = _Pages(openapi)
    actions: dict[str, Callable[[Request], bytes | Awaitable[bytes]]] = {
        "/openapi.json": pages.openapi,
        "/docs": pages.page,
        "/docs/": _redirect,
    }
    actions |= {f"/docs/{name}": _file_action(name) for name in _FILES}
    for path, action in actions.items():
        # Explicit names: an action of the application's that is called "openapi" would replace this one.
        app.route(path, methods=["GET"], endpoint=f"unixsvc.rest.docs_pages:{path}")(action)


class _Pages:
    """The actions that need the document."""

    def __init__(self, openapi: DocumentSource) -> None:
        self._openapi = openapi

    async def openapi(self, request: Request) -> bytes:
        """The document."""
        return await self._respond(request, _json_content)

    async def page(self, request: Request) -> bytes:
        """The page that shows it."""
        return await self._respond(request, _page_content)

    async def _respond(self, request: Request, make_content: Callable[[JsonObject], _Content]) -> bytes:
        try:
            content = make_content(await self._openapi())
        except CancelledError:
            raise  # the client has disconnected
        except _TEMPORARY as error:
            _log.emit("warn", "no document", "no OpenAPI document: {error}", error=error)
            return _send_problem(request, Unavailable())
        except Exception as error:
            _log.failure("no OpenAPI document", error)
            return _send_problem(request, Internal())
        return _send_content(request, content)


def _redirect(request: Request) -> bytes:
    """The page has no slash at its end, as its relative URLs would be wrong there."""
    return _send(request, PERMANENT_REDIRECT, ((b"Location", b"../docs"),), b"")


def _file_action(name: str) -> Callable[[Request], bytes]:
    """The action for a file, which may be cached without limit if the request has its version."""

    def send_file(request: Request) -> bytes:
        content = _file_content(name)
        if (request.args or {}).get(b"v") == [_version(content).encode()]:
            content = msgspec.structs.replace(content, cache_control=_IMMUTABLE)
        return _send_content(request, content)

    return send_file


def _json_content(document: JsonObject) -> _Content:
    return _Content(msgspec.json.encode(document), _JSON)


def _page_content(document: JsonObject) -> _Content:
    urls = {key: f"docs/{name}?v={_version(_file_content(name))}" for key, name in _PLACEHOLDERS.items()}
    title = escape(str(document["info"]["title"]))
    return _Content(_template().substitute(urls, title=title).encode(), _HTML, _PAGE_POLICY)


@cache
def _template() -> Template:
    return Template(_read("docs.html").decode())


@cache
def _file_content(name: str) -> _Content:
    """A file of the page. Processes that never serve it do not load it."""
    path, content_type = _FILES[name]
    return _Content(_read(path), content_type)


def _read(path: str) -> bytes:
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=_STATIC), "rb") as file:
        return file.read()


def _version(content: _Content) -> str:
    return _etag(content.body).decode().strip('"')


@lru_cache(maxsize=32)
def _etag(body: bytes, coding: str = "") -> bytes:
    return etag_of(body, coding)


@lru_cache(maxsize=32)
def _gzipped(body: bytes) -> bytes:
    """The compressed body. The bundle blocks the event loop for some 70 ms, once in the life of a process."""
    return gzip.compress(body, 6, mtime=0)


def _send_content(request: Request, content: _Content) -> bytes:
    """Send content, or 304 if the client has it."""
    request_header = request.requestHeaders.getRawHeaders
    compress = False
    if len(content.body) >= _MIN_GZIP and content.content_type not in _COMPRESSED:
        request.responseHeaders.addRawHeader(b"Vary", b"Accept-Encoding")
        compress = accepts_gzip(request_header(b"Accept-Encoding", ()))
    etag = _etag(content.body, "gzip" if compress else "")
    headers: HeaderPairs = (
        (b"ETag", etag),
        (b"Cache-Control", content.cache_control),
        (b"Content-Security-Policy", content.policy),
    )
    if is_known(etag, request_header(b"If-None-Match", ())):
        return _send(request, NOT_MODIFIED, headers, b"")
    headers += ((b"Content-Type", content.content_type),)
    if compress:
        headers += ((b"Content-Encoding", b"gzip"),)
    return _send(request, OK, headers, _gzipped(content.body) if compress else content.body)


def _send_problem(request: Request, error: ServiceError) -> bytes:
    headers: HeaderPairs = ((b"Content-Type", PROBLEM), (b"Cache-Control", b"no-store"))
    if isinstance(error, Unavailable):
        headers += ((b"Retry-After", b"%d" % error.detail["retry_after"]),)
    request_id = request.responseHeaders.getRawHeaders(b"X-Request-Id", [b""])[0].decode("ascii", "replace")
    return _send(request, error.code, headers, problem(error.code, error.message, error.detail, request_id))


def _send(request: Request, code: int, headers: HeaderPairs, body: bytes) -> bytes:
    """Set status and headers. For HEAD, twisted.web drops the body."""
    headers += _NO_FRAMES
    if code != NOT_MODIFIED:
        headers += ((b"Content-Length", b"%d" % len(body)),)
    return set_response(request, Response(code, BARE, header_lines(headers), body))
