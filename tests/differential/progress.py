"""Received data, and the steps of a conversation that it completes. Pure."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from typing import Final

import msgspec
from msgspec import Struct

from tests.differential.http_messages import owed, parse_responses
from tests.differential.steps import Until

__all__ = [
    "HttpProgress", "Key", "ReceivedData", "SocketProgress", "Transcript", "id_of", "key_of", "lines_of",
]  # fmt: skip

Key = tuple[str, object]
_ENVELOPE: Final = re.compile(rb'\{"id":("(?:[^"\\]|\\.)*"|-?\d+),')


def key_of(id: object) -> Key:
    """An id as the key of a dict, in which ``1``, ``true`` and ``"1"`` differ."""
    return type(id).__name__, id


def lines_of(data: bytes) -> tuple[list[bytes], bytes]:
    """Complete lines with their ends, and the remaining bytes."""
    *lines, rest = data.split(b"\n")
    return [each + b"\n" for each in lines], rest


def id_of(line: bytes) -> Key | None:
    """The id of a message; None if it has none. The rest of it may be data that are not JSON."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
        message = msgspec.json.decode(line)
        return key_of(message["id"]) if isinstance(message, dict) and "id" in message else None
    found = _ENVELOPE.match(line)
    return key_of(msgspec.json.decode(found[1])) if found else None


class ReceivedData(Struct, frozen=True):
    """Received data of one connection.

    :ivar methods: of the HTTP requests that were sent.
    :ivar end: how it ended: ``closed`` by the server, ``open`` although it should be closed, ``dropped`` by
        the client, or ``refused`` if no process listens.
    """

    on: int
    data: bytes
    end: str
    methods: tuple[bytes, ...] = ()


class Transcript(Struct, frozen=True):
    """Received data of all connections.

    :ivar late: the numbers of the steps that timed out.
    """

    received: tuple[ReceivedData, ...]
    late: tuple[int, ...] = ()


class SocketProgress:
    """Received data of a socket: answered requests, and items of streams."""

    def __init__(self) -> None:
        self.data = b""
        self._seen = 0
        self._answered: set[Key] = set()
        self._items: Counter[Key] = Counter()

    def sent(self, data: bytes, replies: int) -> None:
        """Do nothing: replies have ids."""

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self.data += data
        end = self.data.rfind(b"\n") + 1
        for line in lines_of(self.data[self._seen : end])[0]:
            self._note(line)
        self._seen = max(self._seen, end)

    def _note(self, line: bytes) -> None:
        key = id_of(line)
        if key is None:
            return
        if b'"more":true' in line:
            self._items[key] += 1
        else:
            self._answered.add(key)

    def reached(self, step: Until) -> bool:
        """True if the condition of this step holds."""
        if step.text:
            return step.text in self.data
        if step.id is None:
            return False
        key = key_of(step.id)
        return key in self._answered or (not step.whole and self._items[key] >= step.items)

    def etag(self) -> bytes:
        """Nothing: only HTTP has ETags."""
        return b""


class HttpProgress:
    """Received data of an HTTP connection: answered requests."""

    def __init__(self) -> None:
        self.data = b""
        self.methods: list[bytes] = []

    def sent(self, data: bytes, replies: int) -> None:
        """Record a request.

        :param replies: the number of responses to it.
        """
        if replies:
            self.methods += [data.partition(b" ")[0]] * replies

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        self.data += data

    def reached(self, step: Until) -> bool:
        """True if the condition of this step holds."""
        if step.text:
            return step.text in self.data
        responses, _ = parse_responses(self.data, self.methods)
        return step.responses and owed(responses) >= len(self.methods)

    def etag(self) -> bytes:
        """The ETag of the last response that has one."""
        responses, _ = parse_responses(self.data, self.methods)
        return next((found for each in reversed(responses) if (found := each.header(b"etag"))), b'"none"')
