"""Splits a stream of bytes into messages; pure."""

from __future__ import annotations

import re
from typing import Final

from unixsvc.errors import TooLarge

__all__ = ["MessageFramer"]

_LARGE: Final = 16_384  # bytes from which on one copy less is noticeable


class MessageFramer:
    """One message on a line; or, from a client of the original system, one object without a line end.

    The caller takes a limited number of messages at a time, and may stop: the other bytes stay here.

    :ivar max_bytes: the largest message, without its line end.
    :ivar framed: at least one message with a line end has arrived.
    :ivar unsplit: whole messages, and what follows them.
    :ivar begun: a message that has begun and not ended; it has no line end.
    """

    __slots__ = ("_scanned", "_scanner", "begun", "framed", "max_bytes", "unsplit")

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.unsplit = b""
        self.begun = bytearray()
        self._scanned = 0
        self._scanner: _ObjectScanner | None = None  # not for clients that end lines
        self.framed = False

    @property
    def pending(self) -> bool:
        """True if there are bytes that were not taken out."""
        return bool(self.unsplit or self.begun)

    @property
    def size(self) -> int:
        """The number of bytes that were not taken out."""
        return len(self.unsplit) + len(self.begun)

    def clear(self) -> None:
        """Drop all bytes."""
        self.unsplit = b""
        self.begun = bytearray()  # releases the memory, which clear() need not do

    def take(self, limit: int, data: bytes = b"") -> list[bytes]:
        """The next whole messages, without their line ends.

        :param limit: the most messages.
        :param data: bytes that are received.
        :raises TooLarge: as soon as the next message exceeds the limit, whether it has ended or not.
        """
        if self.unsplit:
            data = self.unsplit + data
        if len(self.begun) + len(data) > self.max_bytes:
            self.unsplit = data
            limit = self._count_small(limit)
        if len(data) > _LARGE and data.find(b"\n") < 0:
            self.begun += data  # the code below does the same with one copy more
            self.unsplit = b""
            return []
        messages = data.split(b"\n", limit)
        rest = messages.pop()
        if messages:
            self.framed = True
            if self.begun:
                self.begun += messages[0]
                messages[0] = bytes(self.begun)
                self.begun.clear()
        if rest and len(messages) < limit:
            self.begun += rest
            rest = b""
        self.unsplit = rest
        return messages

    def append(self, data: bytes) -> None:
        """Keep received bytes for later."""
        self.unsplit += data

    def put_back(self, messages: list[bytes]) -> None:
        """Return the last messages that were taken: they become the next ones again."""
        self.unsplit = b"\n".join([*messages, bytes(self.begun) + self.unsplit])
        self.begun.clear()

    def _count_small(self, limit: int) -> int:
        """The number of messages, up to the limit, in front of one that is too large."""
        start, length = 0, len(self.begun)
        for count in range(limit):
            end = self.unsplit.find(b"\n", start)
            length += (len(self.unsplit) if end < 0 else end) - start
            if length > self.max_bytes:
                if not count:
                    raise TooLarge(self.max_bytes)
                return count
            if end < 0:
                break
            start, length = end + 1, 0
        return limit

    def unframed(self) -> bytes | None:
        """All bytes so far, if they are one complete object and no line end has come; once only.

        Each byte is scanned once, however the bytes were cut. The decoder finds out whether they are JSON.
        """
        # Only bytes that end with a brace can be complete, so a large message is rarely scanned while it
        # arrives. Some spaces may follow the brace, but not any number, as each byte would look at all.
        if self.framed or not self.begun[-64:].rstrip().endswith(b"}"):
            return None
        unscanned = bytes(self.begun[self._scanned :])
        self._scanned = len(self.begun)
        if self._scanner is None:
            self._scanner = _ObjectScanner()
        return bytes(self.begun) if self._scanner.feed(unscanned) else None

    def take_rest(self) -> bytes:
        """The message that has begun, as the end of the stream ends it."""
        rest = bytes(self.begun)
        self.begun.clear()
        return rest


class _ObjectScanner:
    """Counts braces in a text that comes in pieces, to find the end of an object."""

    # A string that ends in this piece is dropped; the last group is one that does not. Possessive, as
    # backtracking in a string with a million escapes would not be linear.
    _STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|(".*)', re.DOTALL)
    _INSIDE: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
    _NO_BRACES: Final = bytes(set(range(256)) - set(b"{}"))

    __slots__ = ("_depth", "_done", "_escaped", "_in_string")

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._done = False

    def feed(self, data: bytes) -> bool:
        """Scan the next piece; True if the outermost brace closes in it, for the first time."""
        if self._done:
            return False
        if self._in_string:
            data = self._leave_string(data)
        # In turn: text outside of strings, and what the group has kept of each string.
        parts = self._STRINGS.split(data)
        tail = parts[-2] if len(parts) > 1 else None
        if tail is not None:
            self._in_string = True
            self._escaped = (len(tail) - len(tail.rstrip(b"\\"))) % 2 == 1
        self._done = self._closes(b"".join(parts[::2]).translate(None, self._NO_BRACES))
        return self._done

    def _leave_string(self, data: bytes) -> bytes:
        """Skip the rest of a string that began in an earlier piece."""
        if self._escaped:
            data = data[1:]
        end = self._INSIDE.match(data).end()  # type: ignore[union-attr]  # it matches the empty string as well
        self._in_string = data[end : end + 1] != b'"'
        self._escaped = self._in_string and end < len(data)
        return data[end + 1 :]

    def _closes(self, braces: bytes) -> bool:
        closing = braces.count(b"}")
        if closing < max(self._depth, 1):
            self._depth += len(braces) - 2 * closing
            return False
        for brace in braces:
            self._depth += 1 if brace == 0x7B else -1
            if self._depth <= 0:
                return True
        return False
