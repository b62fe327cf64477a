"""The heads of usual requests, parsed at once. Pure.

:func:`unixsvc.rest.server.request_head.parse_head` is the definition. What is accepted here, it accepts with
the same result; anything else is left to it, as it has the reason for each refusal.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from unixsvc.rest.server.request_head import (
    MAX_FIELDS,
    MAX_LINE,
    NAMES,
    Head,
    HeaderBlock,
    canonical_name,
    has_close,
    is_host,
)

__all__ = ["UsualHeads"]

_LINE: Final = re.compile(rb"(?!CONNECT )([A-Z]{1,32}) (/[\x21\x22\x24-\x7e]*) (HTTP/1\.1)\r\n")
# Each begins after a line end. If there are as many fields as line ends, there is nothing else between them.
_FIELD: Final = re.compile(rb"(?<=\r\n)([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)\r\n")
_UNUSUAL: Final = (b"Transfer-Encoding", b"Expect")
_NO_LENGTH: Final = [b"0"]
_KEEP_ALIVE: Final = [b"keep-alive"]
# Clients send the same header fields with most of their requests, and many clients the same.
_MAX_REMEMBERED: Final = 256
_MAX_REMEMBERED_BYTES: Final = 1024


class UsualHeads:
    """Parses the heads of usual requests, and remembers their header fields.

    :param limit: the longest head, in bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._blocks: dict[bytes, HeaderBlock] = {}
        self._is_host = lru_cache(_MAX_REMEMBERED)(is_host)

    def __len__(self) -> int:
        """The number of blocks of header fields that are remembered."""
        return len(self._blocks)

    def parse(self, data: bytes) -> tuple[Head, int] | None:
        """Parse a head.

        :param data: begins with a head.
        :returns: the head, and the number of its bytes; None if it is incomplete, or not usual.
        """
        line = _LINE.match(data)
        if line is None:
            return None
        start = line.end()
        end = data.find(b"\r\n\r\n", start - 2)
        if end < start or end > self._limit or start > MAX_LINE + 2:
            return None
        fields = data[start - 2 : end + 2]
        block = self._blocks.get(fields) or self._parse_fields(fields)
        if block is None:
            return None
        method, target, version = line.groups()
        return Head(method, target, version, block), end + 4

    def _parse_fields(self, text: bytes) -> HeaderBlock | None:
        found = _FIELD.findall(text)
        if len(found) != text.count(b"\r\n") - 1 or len(found) >= MAX_FIELDS:
            return None
        fields: dict[bytes, list[bytes]] = {}
        for name, value in found:
            known = NAMES.get(name) or canonical_name(name)
            if known in fields:
                fields[known].append(value.strip(b" \t"))
            else:
                fields[known] = [value.strip(b" \t")]
        hosts = fields.get(b"Host", ())
        if len(hosts) != 1 or not self._is_host(hosts[0]) or not fields.keys().isdisjoint(_UNUSUAL):
            return None
        lengths = fields.get(b"Content-Length", _NO_LENGTH)
        if len(lengths) != 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
            return None
        connection = fields.get(b"Connection", _KEEP_ALIVE)
        keep_alive = connection == _KEEP_ALIVE or not has_close(connection)
        block = HeaderBlock(fields, int(lengths[0]), keep_alive)
        if len(text) <= _MAX_REMEMBERED_BYTES:
            if len(self._blocks) >= _MAX_REMEMBERED:
                self._blocks.clear()
            self._blocks[text] = block
        return block
