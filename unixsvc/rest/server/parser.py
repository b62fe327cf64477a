"""HTTP requests from bytes, with strict limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from unixsvc.errors import Malformed, TooLarge
from unixsvc.rest.server.request_head import Head, check_partial_head, parse_head
from unixsvc.rest.server.usual_head import UsualHeads

__all__ = ["ChunkedBody", "RequestParser"]

_TOO_MUCH_EXTRA: Final = "chunk extensions or trailers are too long"
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e\x80-\xff]*)?)")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class RequestParser:
    """Parses the requests of one connection.

    :param max_head: the longest head, in bytes.
    :param max_body: the longest body, in bytes.
    :param usual: parses most heads, and remembers their fields for all connections.
    :ivar buffer: the bytes that have been received and not parsed yet. The connection appends to it.
    :ivar head: of the request whose body is awaited or was rejected; None between requests.
    """

    __slots__ = ("_chunks", "_max_body", "_max_head", "_scanned", "_skipped_crlf", "_usual", "buffer", "head")

    def __init__(self, max_head: int, max_body: int, usual: UsualHeads) -> None:
        self._usual = usual
        self.buffer = bytearray()
        self.head: Head | None = None
        self._max_head = max_head
        self._max_body = max_body
        self._scanned = 0  # the number of bytes of an incomplete head that have been checked
        self._skipped_crlf = False  # before the current request
        self._chunks: ChunkedBody | None = None

    @property
    def held(self) -> int:
        """The number of bytes that have been received of requests that are not complete."""
        return len(self.buffer) + (0 if self._chunks is None else len(self._chunks.data))

    def clear(self) -> None:
        """Drop the buffer and the current request."""
        self.buffer.clear()
        self.head = self._chunks = None

    def take(self, data: bytes) -> tuple[Head, bytes] | None:
        """Receive bytes between two requests, when the buffer is empty; the rest is as for :meth:`next`."""
        found = self._usual.parse(data)
        if found is None:
            self.buffer += data
            return self.next()
        head, size = found
        length, rest = head.block.length, len(data) - size
        if length == rest <= self._max_body:
            self._skipped_crlf = False
            return head, data[size:]
        self.buffer += data[size:]
        self._begin(head)
        return self.next()

    def next(self) -> tuple[Head, bytes] | None:
        """The next request with its body; None if the buffer has no complete one.

        :raises unixsvc.errors.ServiceError: if the request is rejected.
        """
        head = self.head
        if head is None:
            if not self.buffer:  # after each request but the last of a pipeline
                return None
            head = self._take_head()
            if head is None:
                return None
        body = self._take_body(head)
        if body is None:
            return None
        self.head = self._chunks = None
        self._skipped_crlf = False
        return head, body

    def _take_head(self) -> Head | None:
        buffer = self.buffer
        if not self._skipped_crlf and buffer.startswith(b"\r\n"):  # RFC 9112 asks to skip one
            del buffer[:2]
            self._skipped_crlf = True
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0:
            check_partial_head(buffer, self._scanned, self._max_head)
            self._scanned = len(buffer)
            return None
        head = parse_head(bytes(buffer[:end]), self._max_head)
        del buffer[: end + 4]
        self._scanned = 0
        self._begin(head)
        return head

    def _begin(self, head: Head) -> None:
        self.head = head
        if head.block.length is None:
            self._chunks = ChunkedBody(self._max_body, self._max_head)
        elif head.block.length > self._max_body:
            raise TooLarge(self._max_body)

    def _take_body(self, head: Head) -> bytes | None:
        buffer = self.buffer
        if self._chunks is not None:
            return bytes(self._chunks.data) if self._chunks.take(buffer) else None
        if not head.block.length:
            return b""
        if len(buffer) < head.block.length:
            return None
        body = bytes(buffer[: head.block.length])
        del buffer[: head.block.length]
        return body


class ChunkedBody:
    """Decodes a chunked body (RFC 9112, section 7.1). Chunk extensions and trailers are dropped.

    :param max_body: the longest body, in bytes.
    :param max_extra: the most bytes of extensions and trailers together.
    :ivar data: the body so far.
    """

    __slots__ = ("_complete", "_extra", "_max_body", "_max_extra", "_remaining", "_scanned", "_state", "data")

    def __init__(self, max_body: int, max_extra: int) -> None:
        self.data = bytearray()
        self._max_body = max_body
        self._max_extra = max_extra
        self._extra = 0
        self._remaining = 0  # of the current chunk
        self._scanned = 0
        self._complete = False
        self._state: Callable[[bytearray], bool] = self._parse_size

    def take(self, buffer: bytearray) -> bool:
        """Move the body's bytes out of the buffer.

        :returns: whether the body is complete.
        :raises unixsvc.errors.ServiceError: if the body is too large or malformed.
        """
        while self._state(buffer):
            pass
        return self._complete

    def _parse_size(self, buffer: bytearray) -> bool:
        line = self._take_line(buffer)
        if line is None:
            return False
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise Malformed("chunk size is not valid")
        self._count_extra(len(found[2]))
        self._remaining = int(found[1], 16)
        if len(self.data) + self._remaining > self._max_body:
            raise TooLarge(self._max_body)
        self._state = self._take_data if self._remaining else self._parse_trailer
        return True

    def _take_data(self, buffer: bytearray) -> bool:
        piece = buffer[: self._remaining]
        del buffer[: len(piece)]
        self.data += piece
        self._remaining -= len(piece)
        if self._remaining:
            return False
        self._state = self._parse_chunk_end
        return True

    def _parse_chunk_end(self, buffer: bytearray) -> bool:
        if not b"\r\n".startswith(buffer[:2]):
            raise Malformed("chunk is longer than its size")
        if len(buffer) < 2:
            return False
        del buffer[:2]
        self._state = self._parse_size
        return True

    def _parse_trailer(self, buffer: bytearray) -> bool:
        line = self._take_line(buffer)
        if line is None:
            return False
        if line:
            if not _TRAILER.fullmatch(line):
                raise Malformed("trailer is not valid")
            self._count_extra(len(line))
            return True
        self._complete = True
        return False

    def _take_line(self, buffer: bytearray) -> bytes | None:
        end = buffer.find(b"\r\n", max(0, self._scanned - 1))
        if end < 0:
            if b"\n" in buffer[self._scanned :]:
                raise Malformed("line ends other than CRLF in a chunked body")
            if len(buffer) + self._extra > self._max_extra:
                raise Malformed(_TOO_MUCH_EXTRA)
            self._scanned = len(buffer)
            return None
        self._scanned = 0
        line = bytes(buffer[:end])
        del buffer[: end + 2]
        return line

    def _count_extra(self, size: int) -> None:
        self._extra += size
        if self._extra > self._max_extra:
            raise Malformed(_TOO_MUCH_EXTRA)
