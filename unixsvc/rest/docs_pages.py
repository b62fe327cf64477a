"""What can be asked over HTTP, for people and for programs: ``/docs`` and ``/openapi.json``.

The page is Swagger UI, from files that come with the package. Nothing on it asks another host, and its
addresses are relative, so that it works behind any prefix.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Final

import msgspec
from klein import Klein
from msgspec import Struct
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.web.http import NOT_MODIFIED, PERMANENT_REDIRECT
from twisted.web.server import Request

from unixsvc.errors import BadGateway, DeadlineExceeded, Internal, ServiceError, Unavailable
from unixsvc.rest.headers.accept import accepts_gzip
from unixsvc.rest.headers.etags import etag_of, is_known
from unixsvc.rest.problem import PROBLEM, problem

__all__ = ["add_pages"]

_log = Logger()

_STATIC: Final = Path(__file__).with_name("static")
_HTML: Final = b"text/html; charset=utf-8"
_JSON: Final = b"application/json"
_SCRIPT: Final = b"text/javascript; charset=utf-8"

# By the last segment of its address: where a file is, and what it is. Each has a route of its own, so that no
# part of a request ever becomes part of a path.
_FILES: Final[dict[str, tuple[str, bytes]]] = {
    "init.js": ("init.js", _SCRIPT),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", _SCRIPT),
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", b"text/css; charset=utf-8"),
    "favicon-32x32.png": ("swagger-ui/favicon-32x32.png", b"image/png"),
}
# By its name in docs.html: which of these the page asks for.
_PARTS: Final = {
    "favicon": "favicon-32x32.png",
    "style": "swagger-ui.css",
    "bundle": "swagger-ui-bundle.js",
    "init": "init.js",
}

_FOREVER: Final = b"public, max-age=31536000, immutable"
_ASK_AGAIN: Final = b"no-cache"

# Icons within the style sheet are data: addresses, and so are images that Swagger UI draws.
_PAGE_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_OTHER_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
_GUARDS: Final = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    (b"Referrer-Policy", b"no-referrer"),
)

_SMALL: Final = 1024  # bytes; what is shorter is not worth compressing
_PACKED: Final = frozenset({b"image/png"})

# Failures that pass: there is a document, but whom it was asked of cannot answer now.
_PASSING: Final = (BadGateway, DeadlineExceeded, Unavailable)


class _Content(Struct, frozen=True):
    """What an address holds.

    :ivar body: as it is, uncompressed.
    :ivar kind: the media type.
    :ivar policy: the Content-Security-Policy.
    :ivar caching: the Cache-Control.
    """

    body: bytes
    kind: bytes
    policy: bytes = _OTHER_POLICY
    caching: bytes = _ASK_AGAIN


def add_pages(app: Klein, openapi: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    """Adds ``/openapi.json``, ``/docs`` and the files of that page. All are there for everybody.

    :param app: where they are added.
    :param openapi: makes the OpenAPI document; it is asked each time. When it raises that somebody cannot
        answer now, so does the page (503), and whatever else it raises is a 500; neither says more.
    """
    pages = _Pages(openapi)
    actions: dict[str, Callable[..., Any]] = {
        "/openapi.json": pages.openapi,
        "/docs": pages.page,
        "/docs/": _slash,
    }
    actions |= {f"/docs/{name}": _giving(name) for name in _FILES}
    for path, action in actions.items():
        # Names of our own: Klein would let an action of the user's that is called "openapi" replace ours.
        app.route(path, methods=["GET"], endpoint=f"unixsvc.rest.docs_pages:{path}")(action)


class _Pages:
    """The actions that need the document.

    :param openapi: makes the OpenAPI document.
    """

    def __init__(self, openapi: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._openapi = openapi

    async def openapi(self, request: Request) -> bytes:
        """The document."""
        return await self._described(request, _document)

    async def page(self, request: Request) -> bytes:
        """The page that shows it."""
        return await self._described(request, _page)

    async def _described(self, request: Request, make: Callable[[dict[str, Any]], _Content]) -> bytes:
        """What is made of the document, or a problem."""
        try:
            content = make(await self._openapi())
        except CancelledError:
            raise  # the client has gone
        except _PASSING as error:
            _log.warn("no OpenAPI document: {error}", error=error)
            return _refuse(request, Unavailable())
        except Exception:
            _log.failure("no OpenAPI document")
            return _refuse(request, Internal())
        return _answer(request, content)


def _slash(request: Request) -> bytes:
    """The page has no slash at its end: what it refers to would not be found."""
    request.setResponseCode(PERMANENT_REDIRECT)
    request.setHeader(b"Location", b"../docs")
    return _send(request, b"")


def _giving(name: str) -> Callable[[Request], bytes]:
    """The action for one of the files of the page, which may be kept for good if asked for by its version."""

    def give(request: Request) -> bytes:
        found = _file(name)
        if (request.args or {}).get(b"v") == [_version(found).encode()]:
            found = msgspec.structs.replace(found, caching=_FOREVER)
        return _answer(request, found)

    return give


def _document(document: dict[str, Any]) -> _Content:
    return _Content(msgspec.json.encode(document), _JSON)


def _page(document: dict[str, Any]) -> _Content:
    found = {part: f"docs/{name}?v={_version(_file(name))}" for part, name in _PARTS.items()}
    title = escape(str(document["info"]["title"]))
    return _Content(_template().substitute(found, title=title).encode(), _HTML, _PAGE_POLICY)


@cache
def _template() -> Template:
    return Template((_STATIC / "docs.html").read_text("utf-8"))


@cache
def _file(name: str) -> _Content:
    """One of the files of the page, which a process reads when it is first asked for."""
    path, kind = _FILES[name]
    return _Content((_STATIC / path).read_bytes(), kind)


def _version(content: _Content) -> str:
    return _etag(content.body).decode().strip('"')


@lru_cache(maxsize=32)
def _etag(body: bytes, coding: str = "") -> bytes:
    return etag_of(body, coding)


@lru_cache(maxsize=32)
def _gzipped(body: bytes) -> bytes:
    """Made when first asked for: the bundle takes the reactor some 70 ms, once in the life of a process."""
    return gzip.compress(body, 6, mtime=0)


def _answer(request: Request, content: _Content) -> bytes:
    """Says what the content is, and gives it, unless the client has it already."""
    asked = request.requestHeaders.getRawHeaders
    packed = False
    if len(content.body) >= _SMALL and content.kind not in _PACKED:
        request.responseHeaders.addRawHeader(b"Vary", b"Accept-Encoding")
        packed = accepts_gzip(asked(b"Accept-Encoding", ()))
    etag = _etag(content.body, "gzip" if packed else "")
    request.setHeader(b"ETag", etag)
    request.setHeader(b"Cache-Control", content.caching)
    request.setHeader(b"Content-Security-Policy", content.policy)
    if is_known(etag, asked(b"If-None-Match", ())):
        request.setResponseCode(NOT_MODIFIED)
        return _send(request, b"")
    request.setHeader(b"Content-Type", content.kind)
    if packed:
        request.setHeader(b"Content-Encoding", b"gzip")
    return _send(request, _gzipped(content.body) if packed else content.body)


def _refuse(request: Request, error: ServiceError) -> bytes:
    """The problem that stands for a failure; who has to come back later is told when."""
    request.setResponseCode(error.code)
    request.setHeader(b"Content-Type", PROBLEM)
    request.setHeader(b"Cache-Control", b"no-store")
    if isinstance(error, Unavailable):
        request.setHeader(b"Retry-After", b"%d" % error.detail["retry_after"])
    known_as = request.responseHeaders.getRawHeaders(b"X-Request-Id", [b""])[0].decode("ascii", "replace")
    body = problem(error.code, error.message, error.detail, known_as)
    return _send(request, body)


def _send(request: Request, body: bytes) -> bytes:
    """With what every answer has; Twisted leaves the body out where the method is HEAD."""
    for name, value in _GUARDS:
        request.setHeader(name, value)
    if request.code != NOT_MODIFIED:
        request.setHeader(b"Content-Length", b"%d" % len(body))
    return body
