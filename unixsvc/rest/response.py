"""HTTP responses as bytes: the status line and the header block are built here and nowhere else. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from unixsvc.errors import Internal
from unixsvc.rest.problem import PROBLEM, problem

__all__ = [
    "BARE",
    "CONTINUE",
    "EMPTY",
    "HTML_PAIRS",
    "INERT_PAIRS",
    "INTERNAL_ERROR",
    "JSON",
    "PAGE",
    "PROBLEM_JSON",
    "REASONS",
    "SAFE_PAIRS",
    "STREAM_PAIRS",
    "DateHeader",
    "HeaderPairs",
    "Response",
    "ResponseKind",
    "encode_head",
    "encode_response",
    "encode_stream_head",
    "header_lines",
    "header_pairs",
    "response_kind",
    "stream_kind",
]

HeaderPairs = tuple[tuple[bytes, bytes], ...]
"""Header fields in the order in which they are sent."""

# The phrases of RFC 9110, where the standard library of Python 3.11 has older ones.
REASONS: Final[dict[int, bytes]] = {
    **{status.value: status.phrase.encode() for status in HTTPStatus},
    413: b"Content Too Large",
    422: b"Unprocessable Content",
    499: b"Client Closed Request",
}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE_END: Final = b"Connection: close\r\n\r\n"
_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"


def header_pairs(lines: bytes) -> HeaderPairs:
    """Headers as twisted.web takes them.

    :param lines: as :func:`header_lines` makes them.
    """
    return tuple((line[: (end := line.index(b":"))], line[end + 2 :]) for line in lines.split(b"\r\n")[:-1])


class ResponseKind(Struct, frozen=True):
    """The headers that all responses of one kind have in common.

    :ivar block: the headers, each with its line end.
    :ivar starts: the status line and these headers, by version and code; encoded once.
    """

    block: bytes
    starts: dict[tuple[bytes, int], bytes]

    def start(self, version: bytes, code: int) -> bytes:
        """The first lines of a response of this kind, up to the headers of its own."""
        found = self.starts.get((version, code))
        if found is None:  # two versions and some hundred codes: they stay few
            found = b"%b %d %b\r\n%b" % (version, code, REASONS.get(code, b"Unknown"), self.block)
            self.starts[version, code] = found
        return found


def response_kind(*pairs: tuple[bytes, bytes]) -> ResponseKind:
    """The kind of all responses with these headers."""
    return ResponseKind(header_lines(pairs), {})


def header_lines(pairs: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers as they are sent, each with its line end."""
    return b"".join(b"%b: %b\r\n" % pair for pair in pairs)


SAFE_PAIRS: Final[HeaderPairs] = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
)
# A browser must not run anything in a response, whatever type it takes it for.
INERT_PAIRS: Final[HeaderPairs] = (
    *SAFE_PAIRS,
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
)
# A page may have a form. Under "no-referrer" a browser sends it with "Origin: null", as from another origin.
HTML_PAIRS: Final[HeaderPairs] = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"same-origin"),
)
# Streams are neither cached nor buffered by a reverse proxy.
STREAM_PAIRS: Final[HeaderPairs] = ((b"Cache-Control", b"no-store"), (b"X-Accel-Buffering", b"no"))

EMPTY: Final = response_kind()
BARE: Final = response_kind(*SAFE_PAIRS)
PAGE: Final = response_kind(*HTML_PAIRS)
JSON: Final = response_kind((b"Content-Type", b"application/json"), *INERT_PAIRS)
PROBLEM_JSON: Final = response_kind((b"Content-Type", PROBLEM), *INERT_PAIRS)


@cache
def stream_kind(content_type: bytes) -> ResponseKind:
    """The headers of a stream of this media type."""
    return response_kind((b"Content-Type", content_type), *STREAM_PAIRS, *INERT_PAIRS)


class Response(Struct, frozen=True):
    """An HTTP response.

    :ivar code: the status code.
    :ivar kind: headers that it shares with others.
    :ivar headers: its other headers, each with its line end.
    :ivar body: empty for a response to HEAD.
    """

    code: int
    kind: ResponseKind
    headers: bytes
    body: bytes = b""


def _internal_error() -> Response:
    body = problem(Internal.code, Internal.message)
    kind = response_kind((b"Content-Type", PROBLEM))
    return Response(Internal.code, kind, b"Content-Length: %d\r\n" % len(body), body)


INTERNAL_ERROR: Final = _internal_error()
"""The response where the server itself has failed."""


class DateHeader:
    """The ``Date`` header, formatted once a second.

    :param now: the time since the epoch, in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        """The header with its line end."""
        second = int(self._now())
        if second != self._second:
            self._second, self._line = second, f"Date: {formatdate(second, usegmt=True)}\r\n".encode()
        return self._line


_date_header: Final = DateHeader().line


def encode_response(response: Response, version: bytes = b"HTTP/1.1", *, close: bool) -> bytes:
    """A whole response in one piece.

    :param version: as the request has it.
    :param close: whether the connection is closed after it.
    """
    kind, code = response.kind, response.code
    start = kind.starts.get((version, code)) or kind.start(version, code)
    end = _CLOSE_END if close else b"\r\n"
    return b"".join((start, _date_header(), response.headers, end, response.body))


def encode_stream_head(response: Response, version: bytes, *, close: bool) -> bytes:
    """The head of a response whose length is not known; its body is chunked, except with HTTP/1.0.

    :param close: whether the connection is closed after it.
    """
    start = response.kind.start(version, response.code)
    coding = b"" if version == b"HTTP/1.0" else _CHUNKED
    end = _CLOSE_END if close else b"\r\n"
    return b"".join((start, _date_header(), response.headers, coding, end))


def encode_head(
    version: bytes,
    code: bytes,
    reason: bytes,
    headers: Iterable[tuple[bytes, Sequence[bytes]]],
    *,
    close: bool,
) -> bytes:
    """The head of a response whose parts twisted.web has collected. ``Date`` is added if it is not there.

    :param close: whether to add ``Connection: close``.
    """
    pieces = [b"%b %b %b\r\n" % (version, code, reason)]
    dated = False
    for name, values in headers:
        dated = dated or name == b"Date"
        pieces += [b"%b: %b\r\n" % (name, value) for value in values]
    if not dated:
        pieces.append(_date_header())
    pieces.append(_CLOSE_END if close else b"\r\n")
    return b"".join(pieces)
