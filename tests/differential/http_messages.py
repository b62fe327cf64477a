"""Parses HTTP responses from the bytes of a connection, as a client does. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

__all__ = ["Response", "owed", "parse_responses"]

_INTERIM = 200
_NO_BODY = (204, 304)


class Response(Struct, frozen=True):
    """One response.

    :ivar line: the status line.
    :ivar headers: names and values, in their order.
    :ivar body: without the framing of chunks.
    :ivar framing: of the body: ``length``, ``chunks``, ``close`` or ``none``.
    :ivar whole: whether the body is complete.
    """

    line: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    framing: str
    whole: bool

    @property
    def code(self) -> int:
        """The status; 0 if the line has none."""
        words = self.line.split(b" ")
        return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0

    def header(self, name: bytes) -> bytes:
        """The value of a header, by its name in lower case; empty if it is missing."""
        return next((value for each, value in self.headers if each.lower() == name), b"")


def parse_responses(data: bytes, methods: Sequence[bytes]) -> tuple[list[Response], bytes]:
    """Parse responses; returns them and the remaining bytes, an incomplete head.

    :param methods: of the requests, in their order: the response to ``HEAD`` has no body.
    """
    found: list[Response] = []
    final = 0
    while True:
        head, blank, rest = data.partition(b"\r\n\r\n")
        if not blank or not head.startswith(b"HTTP/"):
            return found, data
        method = methods[final] if final < len(methods) else b""
        response, data = _read(head, rest, method)
        found.append(response)
        final += response.code >= _INTERIM
        if not response.whole or response.framing == "close":
            return found, data


def owed(responses: Sequence[Response]) -> int:
    """The number of complete final responses."""
    return sum(each.whole and each.code >= _INTERIM for each in responses)


def _read(head: bytes, rest: bytes, method: bytes) -> tuple[Response, bytes]:
    line, *fields = head.split(b"\r\n")
    headers: list[tuple[bytes, bytes]] = []
    for each in fields:
        name, _, value = each.partition(b": ")
        headers.append((name, value))
    bare = Response(line, tuple(headers), b"", "none", whole=True)
    if method == b"HEAD" or bare.code < _INTERIM or bare.code in _NO_BODY:
        return bare, rest
    if bare.header(b"transfer-encoding") == b"chunked":
        body, whole, left = _dechunked(rest)
        return Response(line, bare.headers, body, "chunks", whole), left
    length = bare.header(b"content-length")
    if length.isdigit():
        size = int(length)
        return Response(line, bare.headers, rest[:size], "length", len(rest) >= size), rest[size:]
    return Response(line, bare.headers, rest, "close", whole=False), b""


def _dechunked(data: bytes) -> tuple[bytes, bool, bytes]:
    """The content of chunks, whether the last one was received, and the remaining bytes."""
    body: list[bytes] = []
    while True:
        line, end, rest = data.partition(b"\r\n")
        try:
            size = int(line, 16)
        except ValueError:
            return b"".join(body), False, data
        if not end:
            return b"".join(body), False, data
        if size == 0:
            return b"".join(body), rest.startswith(b"\r\n"), rest[2:]
        body.append(rest[:size])
        if len(rest) < size + 2:
            return b"".join(body), False, b""
        data = rest[size + 2 :]
