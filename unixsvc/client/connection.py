"""The client's side of one connection, without a socket: what to send, and what that which comes means.

All clients are thin bindings on it. It knows which requests are unanswered, and to which of them a line
belongs; it knows no time, and never asks anything again.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct

from unixsvc.client.location import Credentials
from unixsvc.domain.message import EMPTY
from unixsvc.errors import BadGateway, ServiceError, TooLarge, error_from
from unixsvc.wire.messages import (
    ClientMessage,
    ServerMessage,
    check_utf8,
    decode_server_message,
    encode_cancel,
    encode_client_message,
    encode_credit,
)

__all__ = [
    "WINDOW",
    "Call",
    "ClientConnection",
    "ErrorReceived",
    "Event",
    "GoawayReceived",
    "ItemReceived",
    "ResponseReceived",
]

# How many items of a stream may be on their way to a reader that has not taken them yet.
WINDOW: Final = 64


class Call(Struct, frozen=True, omit_defaults=True):
    """What is asked.

    :ivar data: a JSON object.
    :ivar meta: ``request_id``, ``traceparent``, ``idempotency_key``, and the caller's own.
    """

    method: str
    path: str
    data: Raw = EMPTY
    meta: dict[str, str] = {}


class ResponseReceived(Struct, frozen=True):
    """A call has succeeded; for a stream, it has ended.

    :ivar data: the result, as JSON.
    :ivar location: where that is which was made, as the service says; None if nothing was.
    """

    id: int
    data: Raw
    location: str | None = None


class ErrorReceived(Struct, frozen=True):
    """A call has failed."""

    id: int
    error: ServiceError


class ItemReceived(Struct, frozen=True):
    """One item of a stream.

    :ivar data: as JSON.
    """

    id: int
    data: Raw


class GoawayReceived(Struct, frozen=True):
    """Nothing new is to be asked on this connection; what is unanswered will be answered."""


Event = ResponseReceived | ErrorReceived | ItemReceived | GoawayReceived


class ClientConnection:
    """One connection.

    :param shown: the token, shown until the service has once accepted it.
    :ivar sizes: how long each message is that is unanswered, by its id.
    :ivar leaving: whether the service wants us to go.
    """

    def __init__(self, shown: Credentials) -> None:
        self._token = shown.token
        self._told = shown.told
        self.sizes: dict[int, int] = {}
        self._streams: set[int] = set()  # those whose answer must be a stream
        self._last = 0
        self._rest: list[bytes] = []  # of a line that has begun; joined once, as an answer may be long
        self.leaving = False

    def __len__(self) -> int:
        """How many calls are unanswered."""
        return len(self.sizes)

    @property
    def unanswered(self) -> list[int]:
        """Those, by id."""
        return list(self.sizes)

    def ask(
        self, call: Call, timeout: float | None = None, credit: int | None = None, *, either: bool = False
    ) -> tuple[int, bytes]:
        """Ask something.

        :param timeout: what is left of the caller's time, in seconds.
        :param credit: for a stream: how many items may come before more is granted.
        :param either: whether the answer may be no stream all the same.
        :returns: the id, and what is to be sent.
        """
        self._last += 1
        message = ClientMessage(
            self._last, call.method, call.path, call.data, self._token, timeout, call.meta, credit=credit
        )
        encoded = encode_client_message(message)
        self.sizes[self._last] = len(encoded)
        if credit is not None and not either:
            self._streams.add(self._last)
        return self._last, encoded + b"\n"

    def grant(self, id: int, items: int) -> bytes:
        """Let so many further items of a stream come; what is to be sent."""
        return encode_credit(id, items)

    def cancel(self, id: int) -> bytes:
        """Take a call back; what is to be sent. It is answered all the same, by its result or by 499."""
        return encode_cancel(id)

    def receive(self, data: bytes) -> list[Event]:
        """Take in what has come.

        :raises BadGateway: if it is nothing that the protocol knows.
        :raises ServiceError: what the service says of the connection as a whole. In both cases the connection
            is of no use any more.
        """
        if b"\n" not in data:
            self._rest.append(data)
            return []
        if self._rest:
            data = b"".join((*self._rest, data))
        *lines, rest = data.split(b"\n")
        self._rest = [rest] if rest else []
        if not data.isascii():
            check_utf8(lines)
        return [event for line in lines if line and (event := self._understand(line)) is not None]

    def _understand(self, line: bytes) -> Event | None:
        found = decode_server_message(line)
        if found.goaway:
            self.leaving = True
            return GoawayReceived()
        number = found.id
        if number is None and found.failed:
            # It could not even read what we asked, or wants no connection of ours: that ends all of it.
            return self._refused(self._told(error_from(found.code, found.detail, found.message)))
        if number not in self.sizes:
            raise BadGateway("the service answered what was not asked")
        if found.more:
            return ItemReceived(number, found.data)
        return self._end(number, found)

    def _end(self, id: int, found: ServerMessage) -> Event:
        """The last that comes of a call."""
        del self.sizes[id]
        stream = False
        if self._streams:
            stream = id in self._streams
            self._streams.discard(id)
        if found.failed:
            return ErrorReceived(id, self._told(error_from(found.code, found.detail, found.message)))
        self._token = None  # it was accepted, and holds for the connection
        if stream and bytes(found.data) != b"null":
            return ErrorReceived(id, BadGateway("the service answers with no stream: ask for it with call()"))
        return ResponseReceived(id, found.data, found.location)

    def _refused(self, error: ServiceError) -> Event:
        """Nothing more is served here. Of a message that is too large, the others are not guilty."""
        limit = error.detail.get("max_message_bytes") if isinstance(error.detail, dict) else None
        if isinstance(error, TooLarge) and isinstance(limit, int):
            guilty = next((each for each, size in self.sizes.items() if size > limit), None)
            if guilty is not None:
                self.leaving = True
                del self.sizes[guilty]
                return ErrorReceived(guilty, error)
        raise error
