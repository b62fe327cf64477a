"""Server-sent events from the objects that an application yields. Pure.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw, Struct

__all__ = ["event_lines"]

_LINE_END: Final = re.compile("\r\n|\r|\n")
_REFUSED: Final = re.compile("[\0\r\n]")
_MAX_RETRY: Final = 2**31 - 1


class _Event(Struct):
    """The object of an event, which may come from another service: see :class:`unixsvc.Event`."""

    data: Raw = Raw(b"null")
    id: str | None = None
    event: str = ""
    retry: int | None = None
    text: bool = False


_decode: Final = msgspec.json.Decoder(_Event).decode


def event_lines(items: Sequence[bytes]) -> bytes:
    """Encode events.

    :param items: the objects as JSON. Fields that would end their line are left out.
    """
    return b"".join(map(_encode, items))


def _encode(item: bytes) -> bytes:
    try:
        event = _decode(item)
        data = msgspec.json.decode(event.data, type=str) if event.text else bytes(event.data).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        event, data = _Event(), item.decode("utf-8", "replace")
    lines = []
    if event.id is not None and not _REFUSED.search(event.id):
        lines.append(b"id: %b\n" % event.id.encode())
    if event.event and not _REFUSED.search(event.event):
        lines.append(b"event: %b\n" % event.event.encode())
    if event.retry is not None and 0 <= event.retry <= _MAX_RETRY:
        lines.append(b"retry: %d\n" % event.retry)
    lines += [b"data: %b\n" % line.encode() for line in _LINE_END.split(data)]
    return b"".join((*lines, b"\n"))
