"""What is known of a request that is refused before its head is parsed, for the access log. Pure."""

from __future__ import annotations

import re
from typing import Final

from unixsvc.errors import Malformed
from unixsvc.rest.decode import decode_path
from unixsvc.rest.server.request_head import Head

__all__ = ["UNKNOWN", "line_of", "path_of"]

UNKNOWN: Final = "-"
"""A method or a path that is not known."""

# Any text may stand there: only what looks like a request line is taken for one, and not more than this.
_LINE: Final = re.compile(rb"(?:\r\n)?([A-Z]{1,20}) (?:(/[\x21-\x7e]{0,1023})[ \r])?")


def line_of(head: Head | None, received: bytes | bytearray) -> tuple[str, str]:
    """Return the method and the path of a request, as far as they are known.

    :param head: None if it is incomplete or malformed.
    :param received: the bytes of the request then.
    """
    if head is not None:
        return head.method.decode("latin-1"), path_of(head.target)
    found = _LINE.match(received)
    if found is None:
        return UNKNOWN, UNKNOWN
    return found[1].decode(), UNKNOWN if found[2] is None else path_of(found[2])


def path_of(target: bytes) -> str:
    """Return the path of a request target, without the query, which may contain secrets."""
    try:
        return decode_path(target.partition(b"?")[0])
    except Malformed:
        return UNKNOWN
