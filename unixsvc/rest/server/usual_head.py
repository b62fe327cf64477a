"""Heads whose header fields have been parsed before. Pure.

Clients send the same header fields with most of their requests, and many clients the same. The strict
parser, :func:`unixsvc.rest.server.request_head.parse_head`, parses them once; afterwards, the request line
alone is parsed.
"""

from __future__ import annotations

import re
from typing import Final

from unixsvc.rest.server.request_head import MAX_LINE, Head, HeaderBlock, parse_head

__all__ = ["UsualHeads"]

# What does not match may be valid as well.
_LINE: Final = re.compile(rb"(?!CONNECT )([A-Z]{1,32}) (/[\x21\x22\x24-\x7e]*) (HTTP/1\.1)\r\n")
_MAX_REMEMBERED: Final = 256
_MAX_REMEMBERED_BYTES: Final = 1024


class UsualHeads:
    """Parses heads, and remembers their header fields.

    :param limit: the longest head, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._blocks: dict[bytes, HeaderBlock] = {}

    def __len__(self) -> int:
        """The number of blocks of header fields that are remembered."""
        return len(self._blocks)

    def parse(self, data: bytes) -> tuple[Head, int] | None:
        """Parse a head.

        :param data: begins with a head.
        :returns: the head, and the number of its bytes; None if it is incomplete, or begins in another way.
        :raises unixsvc.errors.ServiceError: if the head is rejected.
        """
        line = _LINE.match(data)
        if line is None:
            return None
        start = line.end()
        end = data.find(b"\r\n\r\n", start - 2)
        if end < start or end > self._limit or start > MAX_LINE + 2:
            return None
        fields = data[start:end]
        block = self._blocks.get(fields)
        if block is None:
            head = parse_head(data[:end], self._limit)
            self._remember(fields, head.block)
            return head, end + 4
        method, target, version = line.groups()
        return Head(method, target, version, block), end + 4

    def _remember(self, fields: bytes, block: HeaderBlock) -> None:
        if len(fields) <= _MAX_REMEMBERED_BYTES:
            if len(self._blocks) >= _MAX_REMEMBERED:
                self._blocks.clear()
            self._blocks[fields] = block
