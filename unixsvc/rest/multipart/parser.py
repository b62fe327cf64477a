"""An incremental parser for ``multipart/form-data`` (RFC 7578). Pure.

It is strict. Before the first boundary, and after the last one, there is at most one line end; a boundary is
followed by a line end or two hyphens. So nothing in a body is hidden from this parser and seen by another.

Not python-multipart: it skips what precedes and follows the form, and what follows a boundary; it takes bare
LF and NUL in headers, and does not notice that the form has no end. Not multipart: it accepts bytes after the
end of the form or not, depending on how the body was cut into segments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from unixsvc.errors import Malformed
from unixsvc.rest.multipart.part_head import PartHead, parse_part_head

__all__ = ["MAX_PART_HEAD", "Event", "MultipartParser"]

MAX_PART_HEAD: Final = 4096
"""The longest head of a part, in bytes."""

Event = PartHead | bytes | None
"""The head of a part; a piece of its content, never empty; None for its end."""

_Step = tuple[int, tuple[Event, ...]]
_END: Final = "body: the form has no end"


class MultipartParser:
    """Parses a form while it arrives.

    :param boundary: as :func:`~unixsvc.rest.multipart.part_head.boundary_of` returns it.
    :param max_parts: the most parts.
    """

    def __init__(self, boundary: bytes, max_parts: int) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._max_parts = max_parts
        self._parts = 0
        self._held = b""
        self._complete = False
        self._parse: Callable[[bytes, int], _Step | None] = self._parse_start

    @property
    def held(self) -> int:
        """The number of bytes that have been received and are not parsed yet; it is bounded."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[Event]:
        """Parse bytes; the iterator has to be read to its end before the next call.

        :raises Malformed: if the form is rejected.
        """
        if self._held:
            data, self._held = self._held + data, b""
        position = 0
        while (step := self._parse(data, position)) is not None:
            position, events = step
            yield from events
        self._held = data[position:]

    def finish(self) -> None:
        """Require that the form has ended.

        :raises Malformed: if it has not.
        """
        if not self._complete or self._held:
            raise Malformed(_END)

    def _parse_start(self, data: bytes, start: int) -> _Step | None:
        skipped = 2 if data.startswith(b"\r\n") else 0
        if len(data) < skipped + len(self._delimiter):
            return None
        if not data.startswith(self._delimiter[2:], skipped):
            raise Malformed("body: the form does not begin with its boundary")
        return self._after_delimiter(data, skipped + len(self._delimiter) - 2)

    def _after_delimiter(self, data: bytes, position: int) -> _Step | None:
        after = data[position : position + 2]
        if len(after) < 2:
            return None
        if after == b"--":
            self._parse, self._complete = self._parse_rest, True
        elif after != b"\r\n":
            raise Malformed("body: a boundary of the form is not valid")
        else:
            self._parts += 1
            if self._parts > self._max_parts:
                raise Malformed(f"body: the form has more than {self._max_parts} fields")
            self._parse = self._parse_head
        return position + 2, ()

    def _parse_head(self, data: bytes, start: int) -> _Step | None:
        end = data.find(b"\r\n\r\n", start)
        if (len(data) if end < 0 else end) - start > MAX_PART_HEAD:
            raise Malformed(f"body: the head of a part has more than {MAX_PART_HEAD} bytes")
        if end < 0:
            return None
        head = parse_part_head(data[start:end])
        self._parse = self._parse_content
        return end + 2, (head,)  # its last line end may begin a delimiter

    def _parse_content(self, data: bytes, start: int) -> _Step | None:
        """Parse the content from the line end before it on."""
        if len(data) < start + 2 + len(self._delimiter):
            return None
        if data.startswith(self._delimiter, start):
            return self._end_part(data, start, ())
        self._parse = self._parse_more
        return start + 2, ()

    def _parse_more(self, data: bytes, start: int) -> _Step | None:
        end = data.find(self._delimiter, start)
        if end >= 0:
            return self._end_part(data, end, (data[start:end],) if end > start else ())
        # The beginning of a delimiter may be at the end.
        end = data.rfind(b"\r", max(start, len(data) - len(self._delimiter) + 1))
        if end < 0 or not self._delimiter.startswith(data[end:]):
            end = len(data)
        if end == start:
            return None
        return end, (data[start:end] if start or end < len(data) else data,)

    def _end_part(self, data: bytes, end: int, content: tuple[bytes, ...]) -> _Step | None:
        after = self._after_delimiter(data, end + len(self._delimiter))
        if after is not None:
            return after[0], (*content, None)
        # The two bytes after the delimiter are not there yet, and wait together with it.
        self._parse = self._parse_more
        return (end, content) if content else None

    def _parse_rest(self, data: bytes, start: int) -> _Step | None:
        if not b"\r\n".startswith(data[start:]):
            raise Malformed("body: bytes after the end of the form")
        if len(data) - start < 2:
            return None
        self._parse = self._reject
        return start + 2, ()

    def _reject(self, data: bytes, start: int) -> None:
        if len(data) > start:
            raise Malformed("body: bytes after the end of the form")
