"""HTTP responses as bytes: the status line and the header block are built here and nowhere else. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from msgspec import Struct

from unixsvc.rest.problem import PROBLEM

__all__ = [
    "BARE",
    "CONTINUE",
    "JSON",
    "PAGE",
    "PROBLEM_JSON",
    "REASONS",
    "DateHeader",
    "HeaderPairs",
    "Response",
    "ResponseKind",
    "encode_head",
    "encode_response",
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
_CLOSE: Final = b"Connection: close\r\n"


class ResponseKind(Struct, frozen=True):
    """The headers that all responses of one kind have in common.

    :ivar pairs: the headers.
    :ivar block: the same headers, encoded once.
    """

    pairs: HeaderPairs
    block: bytes


def _kind(*pairs: tuple[bytes, bytes]) -> ResponseKind:
    return ResponseKind(pairs, b"".join(b"%b: %b\r\n" % pair for pair in pairs))


_SAFE: Final[HeaderPairs] = ((b"X-Content-Type-Options", b"nosniff"), (b"Referrer-Policy", b"no-referrer"))
# A browser must not run anything in a response, whatever type it takes it for.
_INERT: Final[HeaderPairs] = (
    *_SAFE,
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
)
# Streams are neither cached nor buffered by a reverse proxy.
_STREAM: Final[HeaderPairs] = ((b"Cache-Control", b"no-store"), (b"X-Accel-Buffering", b"no"), *_INERT)

BARE: Final = _kind(*_SAFE)
# A page may have a form. Under "no-referrer" a browser sends it with "Origin: null", as from another origin.
PAGE: Final = _kind((b"X-Content-Type-Options", b"nosniff"), (b"Referrer-Policy", b"same-origin"))
JSON: Final = _kind((b"Content-Type", b"application/json"), *_INERT)
PROBLEM_JSON: Final = _kind((b"Content-Type", PROBLEM), *_INERT)


def stream_kind(content_type: bytes) -> ResponseKind:
    """The headers of a stream of this media type."""
    return _kind((b"Content-Type", content_type), *_STREAM)


class Response(Struct, frozen=True):
    """An HTTP response.

    :ivar code: the status code.
    :ivar kind: headers that it shares with others.
    :ivar headers: its other headers.
    :ivar body: empty for a response to HEAD.
    """

    code: int
    kind: ResponseKind
    headers: HeaderPairs
    body: bytes = b""


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

_status_lines: Final[dict[tuple[bytes, int], bytes]] = {}


def _status_line(version: bytes, code: int) -> bytes:
    line = _status_lines.get((version, code))
    if line is None:
        line = b"%b %d %b\r\n" % (version, code, REASONS.get(code, b"Unknown"))
        _status_lines[version, code] = line  # two versions and some hundred codes: it stays small
    return line


def encode_response(
    response: Response,
    version: bytes = b"HTTP/1.1",
    others: Iterable[tuple[bytes, Sequence[bytes]]] = (),
    *,
    close: bool,
) -> bytes:
    """A whole response in one piece.

    :param version: as the request has it.
    :param others: further headers, each with its values.
    :param close: whether the connection is closed after it.
    """
    pieces = [_status_line(version, response.code), response.kind.block, _date_header()]
    for name, value in response.headers:
        pieces += (name, b": ", value, b"\r\n")
    for name, values in others:
        pieces += [b"%b: %b\r\n" % (name, value) for value in values]
    if close:
        pieces.append(_CLOSE)
    pieces += (b"\r\n", response.body)
    return b"".join(pieces)


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
    if close:
        pieces.append(_CLOSE)
    if not dated:
        pieces.append(_date_header())
    pieces.append(b"\r\n")
    return b"".join(pieces)
