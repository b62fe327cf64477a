"""From a reply to an HTTP answer. Pure."""

from __future__ import annotations

import gzip
import math
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from unixsvc.config.http import Http
from unixsvc.domain.message import Reply, Request
from unixsvc.rest.decode import Fields
from unixsvc.rest.headers.accept import accepts_gzip
from unixsvc.rest.headers.cors import CorsRules, Pairs
from unixsvc.rest.headers.etags import etag_of, is_known
from unixsvc.rest.problem import PROBLEM, problem
from unixsvc.security.tokens import MISSING

__all__ = [
    "BARE",
    "JSON",
    "REASONS",
    "Response",
    "ResponseBuilder",
    "ResponseContext",
    "ResponseKind",
    "allowed_by",
    "response_context",
]

REASONS: Final[dict[int, bytes]] = {
    **{each.value: each.phrase.encode() for each in HTTPStatus},
    413: b"Content Too Large",
    422: b"Unprocessable Content",
    499: b"Client Closed Request",
}

_NO_CONTENT: Final = 204
_NOT_MODIFIED: Final = 304
_FAILURE: Final = 400
_UNAUTHORIZED: Final = 401
_NOT_ALLOWED: Final = 405
_LAST: Final = 599
_LEVEL: Final = 1  # of compression: the others cost several times as much, and bring a tenth
_SHOW_IT: Final = "show the token as Authorization: Bearer TOKEN"
_IN_A_URL: Final = "/%:?#[]@!$&'()*+,;=-._~"


class ResponseKind(Struct, frozen=True):
    """What all answers of one kind have.

    :ivar pairs: their headers.
    :ivar block: the same, as bytes.
    """

    pairs: Pairs
    block: bytes


def _kind(*pairs: tuple[bytes, bytes]) -> ResponseKind:
    return ResponseKind(pairs, b"".join(b"%b: %b\r\n" % each for each in pairs))


_SAFE: Final[Pairs] = ((b"X-Content-Type-Options", b"nosniff"), (b"Referrer-Policy", b"no-referrer"))
# Nothing of an answer is to be run, whatever a browser takes it for.
_INERT: Final[Pairs] = (
    *_SAFE,
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
)
BARE: Final = _kind(*_SAFE)
JSON: Final = _kind((b"Content-Type", b"application/json"), *_INERT)
_PROBLEM: Final = _kind((b"Content-Type", PROBLEM), *_INERT)
# Not kept, and not held back by proxies that wait for more.
_STREAM: Final[Pairs] = ((b"Cache-Control", b"no-store"), (b"X-Accel-Buffering", b"no"), *_INERT)


class ResponseContext(Struct, frozen=True):
    """What of a request decides how it is answered.

    :ivar headers: those of the request.
    :ivar request_id: the name of the request.
    :ivar traceparent: that of the request, if it is well-formed.
    :ivar private: whether the request showed a token.
    :ivar tokenless: whether it should have shown one, if it is refused.
    """

    method: bytes
    headers: Fields
    request_id: bytes
    traceparent: bytes = b""
    private: bool = False
    tokenless: bool = False


def response_context(
    method: bytes, headers: Fields, asked: Request, *, tokenless: bool = False
) -> ResponseContext:
    """The terms of a request.

    :param asked: the request as a message, or at least its ``meta``.
    """
    traceparent = asked.meta.get("traceparent", "")
    return ResponseContext(
        method,
        headers,
        asked.request_id.encode(),
        traceparent.encode() if traceparent else b"",
        b"Authorization" in headers,
        tokenless,
    )


class Response(Struct, frozen=True):
    """An HTTP answer.

    :ivar code: the status.
    :ivar headers: besides those of its kind.
    :ivar body: what is sent of it: nothing to HEAD.
    """

    code: int
    kind: ResponseKind
    headers: Pairs
    body: bytes = b""


class ResponseBuilder:
    """Makes answers, as the configuration wants them."""

    def __init__(self, http: Http) -> None:
        self.cors = CorsRules(http.cors)
        self._gzip_over = http.gzip_over
        vary = (b"Origin",) if self.cors.vary else ()
        self._vary = _vary(vary)
        self._vary_coding = _vary((b"Accept-Encoding", *vary))
        self._vary_form = _vary((b"Accept", *vary))

    def preflight(self, headers: Fields) -> Response:
        """The answer to a browser that asks what a page of another origin may do."""
        return Response(_NO_CONTENT, BARE, self.cors.preflight(headers) + self._vary)

    def answer(self, reply: Reply, terms: ResponseContext) -> Response:
        """The answer that a reply is."""
        if reply.code >= _FAILURE:
            return self._failure(reply, terms)
        if reply.location is not None:
            return self._made(reply, terms)
        if not reply.body or reply.body == b"null":
            return Response(_NO_CONTENT, BARE, self.any(terms))
        return self.body(200, JSON, reply.body, terms)

    def body(
        self, code: int, kind: ResponseKind, body: bytes, terms: ResponseContext, extra: Pairs = ()
    ) -> Response:
        """An answer with a body: compressed where that is wanted, and not sent where the client has it."""
        headers = extra + self.common(terms)
        coding, vary = "", self._vary
        if 0 < self._gzip_over < len(body):
            vary = self._vary_coding
            coding = "gzip" if accepts_gzip(terms.headers.get(b"Accept-Encoding", ())) else ""
        headers += vary
        head = terms.method == b"HEAD"
        if code == 200 and (head or terms.method == b"GET"):
            etag = etag_of(body, coding)
            headers = ((b"ETag", etag), *headers)
            if b"If-None-Match" in terms.headers and is_known(etag, terms.headers[b"If-None-Match"]):
                return Response(_NOT_MODIFIED, BARE, headers)
        if coding:
            body = gzip.compress(body, _LEVEL, mtime=0)  # the same each time, as its validator says
            headers = ((b"Content-Encoding", b"gzip"), *headers)
        headers = ((b"Content-Length", b"%d" % len(body)), *headers)
        return Response(code, kind, headers, b"" if head else body)

    def stream(self, content_type: bytes, terms: ResponseContext) -> Response:
        """The beginning of a stream."""
        kind = _kind((b"Content-Type", content_type), *_STREAM)
        return Response(200, kind, self.common(terms, cache=b"") + self._vary_form)

    def any(self, terms: ResponseContext) -> Pairs:
        """What an answer has that depends on nothing but who asks."""
        return self.common(terms) + self._vary

    def common(self, terms: ResponseContext, cache: bytes = b"no-store") -> Pairs:
        """What all answers to a request have."""
        pairs: Pairs = ((b"X-Request-Id", terms.request_id),)
        if terms.private and cache:
            pairs += ((b"Cache-Control", cache),)
        if terms.traceparent:
            pairs += ((b"Traceparent", terms.traceparent),)
        if b"Origin" in terms.headers:
            pairs += self.cors.simple(terms.headers)
        return pairs

    def _made(self, reply: Reply, terms: ResponseContext) -> Response:
        where: Pairs = ()
        if reply.location:
            where = ((b"Location", quote(reply.location, safe=_IN_A_URL).encode()),)
        if reply.body == b"null":
            return self.body(201, BARE, b"", terms, where)
        return self.body(201, JSON, reply.body, terms, where)

    def _failure(self, reply: Reply, terms: ResponseContext) -> Response:
        extra: Pairs = ()
        make = _EXTRA.get(reply.code)
        if make is not None:
            extra = make(reply.detail)
        if reply.code == _NOT_ALLOWED and terms.method == b"OPTIONS":
            return Response(_NO_CONTENT, BARE, extra + self.any(terms))
        code = reply.code if reply.code <= _LAST else 500
        detail = reply.detail
        if code == _UNAUTHORIZED and terms.tokenless and detail in (None, MISSING):
            detail = _SHOW_IT
        text = problem(code, reply.message, detail, terms.request_id.decode())
        return self.body(code, _PROBLEM, text, terms, extra)


def _vary(names: tuple[bytes, ...]) -> Pairs:
    return ((b"Vary", b", ".join(names)),) if names else ()


def allowed_by(detail: Any) -> list[str]:
    """The methods that a path has, by the detail of a 405; those of another service, too, are only words."""
    found = detail.get("allowed") if isinstance(detail, dict) else None
    if not isinstance(found, list | tuple):
        return []
    return [each for each in found if isinstance(each, str) and each.isascii() and each.isalpha()]


def _allow(detail: Any) -> Pairs:
    methods = allowed_by(detail)
    methods += ["HEAD"] * ("GET" in methods) + ["OPTIONS"]
    return ((b"Allow", ", ".join(sorted(set(methods))).encode()),)


def _retry_after(detail: Any) -> Pairs:
    seconds = detail.get("retry_after") if isinstance(detail, dict) else None
    if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        return ()
    return ((b"Retry-After", b"%d" % math.ceil(seconds)),)


def _challenge(detail: Any) -> Pairs:
    return ((b"WWW-Authenticate", b"Bearer"),)


# What failures have besides, from their details.
_EXTRA: Final = {401: _challenge, 405: _allow, 429: _retry_after, 503: _retry_after}
