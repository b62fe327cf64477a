"""Chunked bodies of requests, with strict limits. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from unixsvc.domain.body_spec import MAX_MESSAGE
from unixsvc.errors import Malformed, TooLarge

__all__ = ["ChunkedBody"]

_TOO_MUCH_EXTRA: Final = "chunk extensions or trailers are too long"
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e\x80-\xff]*)?)")
_TRAILER: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*")


class ChunkedBody:
    """Decodes a chunked body (RFC 9112, section 7.1). Chunk extensions and trailers are dropped.

    :param max_body: the longest body, in bytes.
    :param setting: what sets it, for the error.
    :param max_extra: the most bytes of extensions and trailers together.
    :ivar data: the body so far, without what :meth:`take_data` has taken.
    """

    __slots__ = (
        "_complete",
        "_extra",
        "_max_body",
        "_max_extra",
        "_remaining",
        "_room",
        "_scanned",
        "_setting",
        "_state",
        "data",
    )

    def __init__(self, max_body: int, max_extra: int, setting: str = MAX_MESSAGE) -> None:
        self.data = bytearray()
        self._setting = setting
        self._max_body = self._room = max_body
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

    def take_data(self) -> bytes:
        """What is there of the body; it is no longer held."""
        data, self.data = bytes(self.data), bytearray()
        return data

    def _parse_size(self, buffer: bytearray) -> bool:
        line = self._take_line(buffer)
        if line is None:
            return False
        found = _CHUNK_SIZE.fullmatch(line)
        if found is None:
            raise Malformed("chunk size is not valid")
        self._count_extra(len(found[2]))
        self._remaining = int(found[1], 16)
        self._room -= self._remaining
        if self._room < 0:
            raise TooLarge(self._max_body, self._setting)
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
