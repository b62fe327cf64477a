"""HTTP responses from replies. Pure."""

from __future__ import annotations

import gzip
import math
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from unixsvc.config.http import Http
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply
from unixsvc.domain.refusal import MISSING
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.domain.websocket import WEBSOCKET
from unixsvc.errors import UpgradeRequired
from unixsvc.rest.decode import HeaderFacts, RequestHeaders, forward_headers, read_headers
from unixsvc.rest.headers.accept import accepts_gzip
from unixsvc.rest.headers.cors import CorsRules
from unixsvc.rest.headers.etags import etag_of, is_known, with_coding
from unixsvc.rest.headers.reply_fields import (
    body_kind,
    etag_in,
    facts_for,
    field_lines,
    is_compressible,
    is_raw,
)
from unixsvc.rest.problem import problem
from unixsvc.rest.response import BARE, JSON, PROBLEM_JSON, Response, ResponseKind, stream_kind

__all__ = ["ResponseBuilder", "ResponseContext", "allowed_methods"]

_NO_STORE: Final = b"Cache-Control: no-store\r\n"
_NO_CONTENT: Final = 204
_CACHED_METHODS: Final = frozenset({b"GET", b"HEAD"})
_NOT_MODIFIED: Final = 304
_FAILURE: Final = 400
_UNAUTHORIZED: Final = 401
_METHOD_NOT_ALLOWED: Final = 405
_LAST: Final = 599
# Higher levels of compression cost several times as much and save another tenth.
_GZIP_LEVEL: Final = 1
_TOKEN_HINT: Final = "show the token as Authorization: Bearer TOKEN"
_SAFE_IN_URL: Final = "/%:?#[]@!$&'()*+,;=-._~"


class ResponseContext(Struct, frozen=True):
    """The parts of a request that decide how its response looks.

    :ivar method: of the request.
    :ivar facts: what its header fields say.
    :ivar request_id: of the request.
    :ivar tokenless: whether the request has no token and, if it is rejected, should have had one.
    """

    method: bytes
    facts: HeaderFacts
    request_id: str
    tokenless: bool = False

    @property
    def headers(self) -> RequestHeaders:
        """The header fields of the request."""
        return self.facts.headers


class ResponseBuilder:
    """Builds responses with the headers that the configuration asks for.

    :param http: its ``cors``, ``gzip_over`` and ``forward_headers``.
    :ivar cors: the rules for cross-origin requests.
    """

    def __init__(self, http: Http) -> None:
        self.cors = CorsRules(http.cors)
        self._gzip_over = http.gzip_over
        self._forwarded = http.forward_headers
        vary = (b"Origin",) if self.cors.vary else ()
        self._vary = _vary(vary)
        self._vary_coding = _vary((b"Accept-Encoding", *vary))
        self._vary_format = _vary((b"Accept", *vary))

    def read_headers(self, headers: RequestHeaders) -> HeaderFacts:
        """Read the header fields of a request, also for its response."""
        facts = read_headers(headers)
        if self._forwarded:
            facts.meta |= forward_headers(headers, self._forwarded)
        facts.lines = self._lines(facts)
        return facts

    def preflight(self, headers: RequestHeaders) -> Response:
        """The response to a CORS preflight request."""
        return Response(_NO_CONTENT, BARE, self.cors.preflight(headers) + self._vary)

    def from_reply(self, reply: Reply, context: ResponseContext) -> Response:
        """The response that carries a reply."""
        if reply.head is not None:
            return self._with_head(reply, reply.head, context)
        if reply.code >= _FAILURE:
            return self._failure(reply, context)
        if reply.location is not None:
            return self._created(reply, context)
        if not reply.body or reply.body == b"null":
            return Response(_NO_CONTENT, BARE, self.common_headers(context))
        return self.with_body(200, JSON, reply.body, context)

    def with_body(
        self,
        code: int,
        kind: ResponseKind,
        body: bytes,
        context: ResponseContext,
        headers: bytes = b"",
        *,
        tag: bytes | None = None,
        compressible: bool = True,
    ) -> Response:
        """A response with a body: compressed if the client accepts it, 304 if the client has it already.

        :param headers: the lines of further headers.
        :param tag: the entity tag, if the application has set one.
        :param compressible: whether gzip makes the body smaller.
        """
        facts, coding, vary = context.facts, "", self._vary
        if 0 < self._gzip_over < len(body) and compressible:
            vary = self._vary_coding
            coding = "gzip" if accepts_gzip(facts.headers.get(b"Accept-Encoding", ())) else ""
        head, etag = context.method == b"HEAD", b""
        if code == 200 and (head or context.method == b"GET"):
            tag = etag_of(body, coding) if tag is None else with_coding(tag, coding)
            etag = b"ETag: %b\r\n" % tag
            if b"If-None-Match" in facts.headers and is_known(tag, facts.headers[b"If-None-Match"]):
                lines = b"%bX-Request-Id: %b\r\n%b%b" % (
                    headers, context.request_id.encode(), facts.lines, vary,
                )  # fmt: skip
                return Response(_NOT_MODIFIED, BARE, etag + lines)
        if coding:
            body = gzip.compress(body, _GZIP_LEVEL, mtime=0)  # the same bytes each time: the ETag is strong
            etag = b"Content-Encoding: gzip\r\n" + etag
        # One formatting instead of one for each part.
        headers = b"Content-Length: %d\r\n%b%bX-Request-Id: %b\r\n%b%b" % (
            len(body), etag, headers, context.request_id.encode(), facts.lines, vary,
        )  # fmt: skip
        return Response(code, kind, headers, b"" if head else body)

    def stream(
        self, content_type: bytes, context: ResponseContext, head: ReplyHead | None = None
    ) -> Response:
        """The head of a stream."""
        lines = self._lines(context.facts, private=False)  # Cache-Control is that of all streams
        vary = self._vary_format if head is None or not is_raw(head) else self._vary
        headers = b"X-Request-Id: %b\r\n%b%b" % (context.request_id.encode(), lines, vary)
        if head is None:
            return Response(200, stream_kind(content_type), headers)
        kind = body_kind(head, content_type.decode("latin-1"), stream=True)
        return Response(head.status or 200, kind, headers + field_lines(head.headers))

    def file_lines(self, context: ResponseContext, vary: str, *, private: bool) -> bytes:
        """The headers of every response that carries a file.

        :param vary: the headers of the request on which the choice of the file depends.
        :param private: whether a response to a request with credentials must not be cached.
        """
        lines = context.facts.lines if private else self._lines(context.facts, private=False)
        names = [name.encode() for name in (vary, "Origin" if self.cors.vary else "") if name]
        return b"X-Request-Id: %b\r\n%b%b" % (context.request_id.encode(), lines, _vary(tuple(names)))

    def common_headers(self, context: ResponseContext) -> bytes:
        """The headers of every response that is no stream, whatever its body."""
        return b"X-Request-Id: %b\r\n%b%b" % (context.request_id.encode(), context.facts.lines, self._vary)

    def _lines(self, facts: HeaderFacts, *, private: bool = True) -> bytes:
        """The headers that follow from those of the request."""
        lines = _NO_STORE if private and b"Authorization" in facts.headers else b""
        if (traceparent := facts.meta.get("traceparent")) is not None:
            lines += b"Traceparent: %b\r\n" % traceparent.encode()
        if b"Origin" in facts.headers:
            lines += self.cors.simple(facts.headers)
        return lines

    def _with_head(self, reply: Reply, head: ReplyHead, context: ResponseContext) -> Response:
        """The response that carries a reply with a status, header fields or a media type of its own."""
        lines = field_lines(head.headers)
        if reply.code >= _FAILURE:
            return self._failure(reply, context, lines)
        context = replace(context, facts=facts_for(head, context.facts))
        if reply.location:
            lines += _location(reply.location)
        status = head.status or (200 if reply.location is None else 201)
        empty = not is_raw(head) and reply.body in (b"", b"null")
        if empty and status == 200:
            status = _NO_CONTENT
        if status == _NO_CONTENT:
            return Response(status, body_kind(head, ""), lines + self.common_headers(context))
        media_type = "" if empty else head.media_type or "application/json"
        tag = etag_in(head) if status == 200 and context.method in _CACHED_METHODS else None
        if tag is not None:
            lines = field_lines(each for each in head.headers if each[0].lower() != "etag")
        return self.with_body(
            status,
            body_kind(head, media_type),
            b"" if empty else reply.body,
            context,
            lines,
            tag=tag,
            compressible=is_compressible(media_type),
        )

    def _created(self, reply: Reply, context: ResponseContext) -> Response:
        location = _location(reply.location) if reply.location else b""
        if reply.body == b"null":
            return self.with_body(201, BARE, b"", context, location)
        return self.with_body(201, JSON, reply.body, context, location)

    def _failure(self, reply: Reply, context: ResponseContext, own: bytes = b"") -> Response:
        """The response that carries an error.

        :param own: the lines of the header fields that the error has itself.
        """
        if reply.code == _METHOD_NOT_ALLOWED and _is_websocket_only(reply, context):
            reply = error_to_reply(UpgradeRequired())
        headers_from = _FAILURE_HEADERS.get(reply.code)
        headers = own
        if headers_from is not None and not _has_field(own, headers_from.name):
            headers += headers_from.lines(reply.detail)
        if reply.code == _METHOD_NOT_ALLOWED and context.method == b"OPTIONS":
            return Response(_NO_CONTENT, BARE, headers + self.common_headers(context))
        code = reply.code if reply.code <= _LAST else 500
        detail = reply.detail
        if code == _UNAUTHORIZED and context.tokenless and detail in (None, MISSING):
            detail = _TOKEN_HINT
        body = problem(code, reply.message, detail, context.request_id)
        return self.with_body(code, PROBLEM_JSON, body, context, headers)


def _location(path: str) -> bytes:
    return b"Location: %b\r\n" % quote(path, safe=_SAFE_IN_URL).encode()


def _has_field(lines: bytes, name: bytes) -> bool:
    return any(line.partition(b":")[0].lower() == name for line in lines.split(b"\r\n"))


def _vary(names: tuple[bytes, ...]) -> bytes:
    return b"Vary: %b\r\n" % b", ".join(names) if names else b""


def allowed_methods(detail: object) -> list[str]:
    """The methods in the detail of a 405, which may come from another service and hold anything."""
    found = detail.get("allowed") if isinstance(detail, dict) else None
    if not isinstance(found, list | tuple):
        return []
    return [method for method in found if isinstance(method, str) and method.isascii() and method.isalpha()]


def _is_websocket_only(reply: Reply, context: ResponseContext) -> bool:
    """Whether a path has no GET, but a WebSocket."""
    is_get = context.method == b"GET" or context.method == b"HEAD"
    return is_get and allowed_methods(reply.detail) == [WEBSOCKET]


def _allow(detail: object) -> bytes:
    # HTTP clients ask for a WebSocket with GET.
    methods = ["GET" if method == WEBSOCKET else method for method in allowed_methods(detail)]
    methods += ["HEAD"] * ("GET" in methods) + ["OPTIONS"]
    return b"Allow: %b\r\n" % ", ".join(sorted(set(methods))).encode()


def _retry_after(detail: object) -> bytes:
    seconds = detail.get("retry_after") if isinstance(detail, dict) else None
    if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        return b""
    return b"Retry-After: %d\r\n" % math.ceil(seconds)


def _upgrade(detail: object) -> bytes:
    return b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"


def _challenge(detail: object) -> bytes:
    return b"WWW-Authenticate: Bearer\r\n"


class _FailureHeader(Struct, frozen=True):
    """A header that failures have unless the application sets it: its name, and what makes its line."""

    name: bytes
    lines: Callable[[object], bytes]


_FAILURE_HEADERS: Final[dict[int, _FailureHeader]] = {
    401: _FailureHeader(b"www-authenticate", _challenge),
    405: _FailureHeader(b"allow", _allow),
    426: _FailureHeader(b"upgrade", _upgrade),
    429: _FailureHeader(b"retry-after", _retry_after),
    503: _FailureHeader(b"retry-after", _retry_after),
}
