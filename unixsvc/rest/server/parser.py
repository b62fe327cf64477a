"""Requests from bytes: each with its body, read strictly, and never more of it than is wanted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from unixsvc.errors import Malformed, TooLarge
from unixsvc.rest.server.request_head import Head, check_begun, parse_head

__all__ = ["ChunkedBody", "RequestParser"]

_ENDLESS: Final = "extensions of chunks, or trailers, that are too long"
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e\x80-\xff]*)?)")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class RequestParser:
    """Takes requests from what has come on one connection.

    :param max_head: the longest head, in bytes.
    :param max_body: the longest body, in bytes.
    :ivar arrived: what has come and is not taken yet.
    :ivar head: of the request whose body is awaited, or is refused.
    """

    __slots__ = ("_blank", "_chunks", "_max_body", "_max_head", "_seen", "arrived", "head")

    def __init__(self, max_head: int, max_body: int) -> None:
        self.arrived = bytearray()
        self.head: Head | None = None
        self._max_head = max_head
        self._max_body = max_body
        self._seen = 0  # so much of a head that is not whole has been looked at
        self._blank = False  # an empty line before this request has been skipped
        self._chunks: ChunkedBody | None = None

    def clear(self) -> None:
        """Forget what has come."""
        self.arrived.clear()
        self.head = self._chunks = None

    def next(self) -> tuple[Head, bytes] | None:
        """The next request with its body, or None if there is no whole one.

        :raises unixsvc.errors.ServiceError: if what has come is not to be served.
        """
        head = self.head
        if head is None:
            if not self.arrived:  # after each request but the last of a pipeline
                return None
            head = self._take_head()
            if head is None:
                return None
        body = self._take_body(head)
        if body is None:
            return None
        self.head = self._chunks = None
        self._blank = False
        return head, body

    def _take_head(self) -> Head | None:
        arrived = self.arrived
        if not self._blank and arrived.startswith(b"\r\n"):  # RFC 9112 asks to skip one
            del arrived[:2]
            self._blank = True
        end = arrived.find(b"\r\n\r\n", max(0, self._seen - 3))
        if end < 0:
            check_begun(arrived, self._seen, self._max_head)
            self._seen = len(arrived)
            return None
        head = parse_head(bytes(arrived[:end]), self._max_head)
        del arrived[: end + 4]
        self._seen = 0
        self.head = head
        if head.length is None:
            self._chunks = ChunkedBody(self._max_body, self._max_head)
        elif head.length > self._max_body:
            raise TooLarge(self._max_body)
        return head

    def _take_body(self, head: Head) -> bytes | None:
        arrived = self.arrived
        if self._chunks is not None:
            return bytes(self._chunks.data) if self._chunks.take(arrived) else None
        if not head.length:
            return b""
        if len(arrived) < head.length:
            return None
        body = bytes(arrived[: head.length])
        del arrived[: head.length]
        return body


class ChunkedBody:
    """Takes a body from what has come. Extensions and trailers are dropped, as nothing here uses them.

    :param limit: the longest body, in bytes.
    :param extra: the most bytes that extensions and trailers may have in all.
    :ivar data: what has been taken.
    """

    __slots__ = ("_extra", "_left", "_limit", "_max_extra", "_next", "_seen", "_whole", "data")

    def __init__(self, limit: int, extra: int) -> None:
        self.data = bytearray()
        self._limit = limit
        self._max_extra = extra
        self._extra = 0
        self._left = 0
        self._seen = 0
        self._whole = False
        self._next: Callable[[bytearray], bool] = self._size

    def take(self, buffer: bytearray) -> bool:
        """Take what is the body's from the front of the buffer; whether the body is whole now.

        :raises unixsvc.errors.ServiceError: if it is too large, or no body.
        """
        while self._next(buffer):
            pass
        return self._whole

    def _size(self, buffer: bytearray) -> bool:
        line = self._line(buffer)
        if line is None:
            return False
        found = _SIZE.fullmatch(line)
        if found is None:
            raise Malformed("no size of a chunk")
        self._count(len(found[2]))
        self._left = int(found[1], 16)
        if len(self.data) + self._left > self._limit:
            raise TooLarge(self._limit)
        self._next = self._bytes if self._left else self._trailer
        return True

    def _bytes(self, buffer: bytearray) -> bool:
        piece = buffer[: self._left]
        del buffer[: len(piece)]
        self.data += piece
        self._left -= len(piece)
        if self._left:
            return False
        self._next = self._end
        return True

    def _end(self, buffer: bytearray) -> bool:
        if not b"\r\n".startswith(buffer[:2]):
            raise Malformed("a chunk that is longer than its size")
        if len(buffer) < 2:
            return False
        del buffer[:2]
        self._next = self._size
        return True

    def _trailer(self, buffer: bytearray) -> bool:
        line = self._line(buffer)
        if line is None:
            return False
        if line:
            if not _TRAILER.fullmatch(line):
                raise Malformed("no trailer")
            self._count(len(line))
            return True
        self._whole = True
        return False

    def _line(self, buffer: bytearray) -> bytes | None:
        end = buffer.find(b"\r\n", max(0, self._seen - 1))
        if end < 0:
            if b"\n" in buffer[self._seen :]:
                raise Malformed("a line end other than CRLF")
            if len(buffer) + self._extra > self._max_extra:
                raise Malformed(_ENDLESS)
            self._seen = len(buffer)
            return None
        self._seen = 0
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        return line

    def _count(self, more: int) -> None:
        self._extra += more
        if self._extra > self._max_extra:
            raise Malformed(_ENDLESS)
