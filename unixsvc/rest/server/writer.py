"""Puts answers on a request of twisted.web."""

from __future__ import annotations

import time
from typing import Any, Final

from twisted.web.http import datetimeToString

from unixsvc.rest.encode import REASONS, Response
from unixsvc.rest.headers.cors import Pairs

__all__ = ["begin", "last_answer", "send", "set_headers"]

# What twisted.web sets and we set ourselves, or do not want.
_NOT_WANTED: Final = frozenset({b"Connection", b"Content-Type", b"Date", b"Server"})
_OURS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})
_starts: Final[dict[tuple[bytes, int], bytes]] = {}


class _Today:
    """The header Date, made once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, self._line = second, b"Date: " + datetimeToString(second) + b"\r\n"
        return self._line


_date: Final = _Today().line


def _start(version: bytes, code: int) -> bytes:
    line = _starts.get((version, code))
    if line is None:
        line = b"%b %d %b\r\n" % (version, code, REASONS.get(code, b"Unknown"))
        _starts[version, code] = line  # of both, there are only so many
    return line


def send(request: Any, answer: Response) -> None:
    """Answer a request, and be done with it."""
    channel = getattr(request, "channel", None)
    if channel is None or request.clientproto not in _OURS:
        begin(request, answer, answer.body)
        request.finish()
        return
    # In one piece, and past the Headers of twisted.web: that is half of what an answer costs there.
    lines = [_start(request.clientproto, answer.code), answer.kind.block, _date()]
    for name, value in answer.headers:
        lines += (name, b": ", value, b"\r\n")
    for name, values in request.responseHeaders.getAllRawHeaders():
        if name not in _NOT_WANTED:
            lines += [b"%b: %b\r\n" % (name, value) for value in values]
    if not channel.persistent or getattr(channel.site, "leaving", False):
        lines.append(b"Connection: close\r\n")
    lines += (b"\r\n", answer.body)
    request.startedWriting = 1
    request.code = answer.code
    request.sentLength = len(answer.body)
    channel.write(b"".join(lines))
    request.finish()


def last_answer(answer: Response, date: bytes) -> bytes:
    """The bytes of an answer behind which its connection is closed.

    :param date: the line that tells the time.
    """
    headers = b"".join(b"%b: %b\r\n" % each for each in answer.headers)
    start = _start(b"HTTP/1.1", answer.code)
    return b"".join((start, answer.kind.block, date, headers, b"Connection: close\r\n\r\n", answer.body))


def begin(request: Any, answer: Response, data: bytes = b"") -> None:
    """Send the beginning of an answer.

    :param data: of its body, what is there.
    """
    request.setResponseCode(answer.code, REASONS.get(answer.code, b"Unknown"))
    set_headers(request, answer.kind.pairs + answer.headers)
    request.write(data)


def set_headers(request: Any, pairs: Pairs) -> None:
    """Set headers of an answer that twisted.web sends."""
    headers = request.responseHeaders
    headers.removeHeader(b"Server")
    if not headers.hasHeader(b"Date"):
        headers.setRawHeaders(b"Date", [datetimeToString()])
    for name, value in pairs:
        headers.setRawHeaders(name, [value])
