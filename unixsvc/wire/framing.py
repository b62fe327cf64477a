"""Cuts a stream of bytes into messages, with no input or output of its own."""

from __future__ import annotations

import re
from typing import Final

from unixsvc.errors import TooLarge

__all__ = ["MessageFramer"]

_LARGE: Final = 16_384  # bytes, from which on a copy of them is felt


class MessageFramer:
    """One message on a line; or, from a client of the original system, one object and no line end.

    Bytes are fed in as they come, and messages are taken out some at a time, so that a caller that cannot
    go on leaves the rest where it is.

    :param max_bytes: the largest message.
    :ivar framed: whether there has ever been a whole message.
    """

    __slots__ = ("_max_bytes", "_partial", "_scanned", "_scanner", "_uncut", "framed")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._uncut = b""  # whole messages, and what follows them
        self._partial = bytearray()  # the message that has begun and not ended; all of it was looked at
        self._scanned = 0
        self._scanner: _ObjectScanner | None = None  # whoever ends lines needs none
        self.framed = False

    @property
    def pending(self) -> bool:
        """Whether anything has come that was not taken out."""
        return bool(self._uncut or self._partial)

    @property
    def more(self) -> bool:
        """Whether something is left that was not looked at when messages were taken."""
        return bool(self._uncut)

    @property
    def partial(self) -> bool:
        """Whether a message has begun and not ended."""
        return bool(self._partial)

    def is_message(self, data: bytes) -> bool:
        """Whether what has arrived is one whole message with its line end, and nothing came before it.

        Then it is served as it is, and not to be taken in.
        """
        end = data.find(b"\n")
        if 0 <= end == len(data) - 1 and end <= self._max_bytes and not (self._uncut or self._partial):
            self.framed = True
            return True
        return False

    def take(self, most: int, data: bytes = b"") -> list[bytes]:
        """The next whole messages, without their line ends: so many at most, and none if none is whole yet.

        :param data: what has arrived.
        :raises TooLarge: as soon as the next one exceeds the limit, whether it has ended or not.
        """
        if self._uncut:
            data = self._uncut + data
        if len(self._partial) + len(data) > self._max_bytes:
            self._uncut = data
            most = self._count_small(most)
        if len(data) > _LARGE and data.find(b"\n") < 0:
            self._partial += data  # as below would be done too, with one copy more
            self._uncut = b""
            return []
        messages = data.split(b"\n", most)
        rest = messages.pop()
        if messages:
            self.framed = True
            if self._partial:
                self._partial += messages[0]
                messages[0] = bytes(self._partial)
                self._partial.clear()
        if rest and len(messages) < most:
            self._partial += rest
            rest = b""
        self._uncut = rest
        return messages

    def keep(self, data: bytes) -> None:
        """Take in what has arrived, for later."""
        self._uncut += data

    def put_back(self, messages: list[bytes]) -> None:
        """Give back the last ones that were taken: they are the next ones again."""
        self._uncut = b"\n".join([*messages, bytes(self._partial) + self._uncut])
        self._partial.clear()

    def _count_small(self, most: int) -> int:
        """How many messages there are, up to so many, before one that is too large."""
        start, length = 0, len(self._partial)
        for count in range(most):
            end = self._uncut.find(b"\n", start)
            length += (len(self._uncut) if end < 0 else end) - start
            if length > self._max_bytes:
                if not count:
                    raise TooLarge(self._max_bytes)
                return count
            if end < 0:
                break
            start, length = end + 1, 0
        return most

    def unframed(self) -> bytes | None:
        """All bytes so far, if they are one complete object, no line end has ever come, and this is new.

        Each byte is looked at once, however the bytes were cut. Whether they are JSON is for the decoder.
        """
        # Only bytes that stop at a brace can be whole, so a large message that is still coming in is hardly
        # ever scanned. Some spaces may follow the brace; not any number, as each byte would look at all.
        if self.framed or not self._partial[-64:].rstrip().endswith(b"}"):
            return None
        fresh = bytes(self._partial[self._scanned :])
        self._scanned = len(self._partial)
        if self._scanner is None:
            self._scanner = _ObjectScanner()
        return bytes(self._partial) if self._scanner.feed(fresh) else None

    def rest(self) -> bytes:
        """What has begun and will not go on, as the stream has ended."""
        rest = bytes(self._partial)
        self._partial.clear()
        return rest


class _ObjectScanner:
    """Follows the depth of braces through a text that comes in pieces, to tell when an object is whole."""

    # Of strings that end here nothing is left; of one that doesn't, all. Possessive, as backtracking in a
    # string with a million escapes would not be linear.
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
        """Look at the next piece; True if with it the outermost brace closes, for the first time."""
        if self._done:
            return False
        if self._in_string:
            data = self._leave_string(data)
        # What is outside of strings, and what each string has left between: nothing, or all of the last one.
        parts = self._STRINGS.split(data)
        tail = parts[-2] if len(parts) > 1 else None
        if tail is not None:
            self._in_string = True
            self._escaped = (len(tail) - len(tail.rstrip(b"\\"))) % 2 == 1
        self._done = self._closes(b"".join(parts[::2]).translate(None, self._NO_BRACES))
        return self._done

    def _leave_string(self, data: bytes) -> bytes:
        """Skip what belongs to a string that began earlier."""
        if self._escaped:
            data = data[1:]
        end = self._INSIDE.match(data).end()  # type: ignore[union-attr]  # it matches the empty string too
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
