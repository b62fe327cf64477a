"""The client's side of the protocol on one connection, without I/O and without a clock.

It encodes requests, decodes replies, and knows which requests are pending. It never retries.
"""

from __future__ import annotations

from typing import Final

from msgspec import Raw, Struct

from unixsvc.client.discovery.location import Credentials
from unixsvc.client.events import ErrorReceived, Event, ItemReceived, ResponseReceived
from unixsvc.domain.message import EMPTY
from unixsvc.errors import BadGateway, ServiceError, TooLarge, error_from
from unixsvc.wire.heads import from_wire
from unixsvc.wire.messages import (
    ClientMessage,
    check_utf8,
    decode_server_message,
    encode_client_message,
)

__all__ = ["WINDOW", "Call", "ClientConnection"]

# How many items of a stream the service may send before its reader has taken any.
WINDOW: Final = 64


class Call(Struct, frozen=True, gc=False, omit_defaults=True):
    """A request, as the program makes it.

    :ivar data: a JSON object.
    :ivar meta: ``request_id``, ``traceparent``, ``idempotency_key``, and entries of the caller's own.
    """

    method: str
    path: str
    data: Raw = EMPTY
    meta: dict[str, str] = {}


class ClientConnection:
    """The state of one connection.

    :param credentials: the token is sent with each request until the service has accepted it once.
    :ivar pending: the size of each message without a final reply, by its id.
    :ivar leaving: True if no new request may be sent.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._token = credentials.token
        self._annotate = credentials.annotate
        self.pending: dict[int, int] = {}
        self._streams: set[int] = set()  # pending calls whose reply must be a stream
        self._last_id = 0
        self._partial: list[bytes] = []  # of an incomplete line; joined once, as a reply may be long
        self.leaving = False

    def request(
        self, call: Call, timeout: float | None = None, credit: int | None = None, *, either: bool = False
    ) -> tuple[int, bytes]:
        """Encode a request.

        :param timeout: what is left of the caller's time, in seconds.
        :param credit: for a stream: the number of items the service may send before more credit is granted.
        :param either: True if the reply may be unary in spite of the credit.
        :returns: the id, and the bytes to send.
        """
        self._last_id += 1
        message = ClientMessage(
            self._last_id, call.method, call.path, call.data, self._token, timeout, call.meta, credit=credit
        )
        encoded = encode_client_message(message)
        self.pending[self._last_id] = len(encoded)
        if credit is not None and not either:
            self._streams.add(self._last_id)
        return self._last_id, encoded + b"\n"

    def receive(self, data: bytes) -> list[Event]:
        """Decode received bytes.

        :raises BadGateway: if they are not valid in the protocol.
        :raises ServiceError: an error of the connection as a whole. In both cases the connection
            must be closed.
        """
        first, end, others = data.partition(b"\n")
        if not end:
            self._partial.append(data)
            return []
        if first and not others and not self._partial:  # one message, as most often
            if not first.isascii():
                check_utf8((first,))
            event = self._decode(first)
            return [] if event is None else [event]
        if self._partial:
            data = b"".join((*self._partial, data))
        *lines, partial = data.split(b"\n")
        self._partial = [partial] if partial else []
        if not data.isascii():
            check_utf8(lines)
        return [event for line in lines if line and (event := self._decode(line)) is not None]

    def _decode(self, line: bytes) -> Event | None:
        reply = decode_server_message(line)
        if reply.goaway:
            self.leaving = True
            return None
        number = reply.id
        if number is None and reply.status == "error":
            # The service could not read a request, or rejects the connection: that ends all calls on it.
            return self._rejected(self._annotate(error_from(reply.code, reply.detail, reply.message)))
        if type(number) is not int or number not in self.pending:
            raise BadGateway("the service replied to a request that is not pending")
        head = None if reply.head is None else from_wire(reply.head)
        if reply.more:
            return ItemReceived(number, reply.data, head)
        del self.pending[number]
        stream = False
        if self._streams:
            stream = number in self._streams
            self._streams.discard(number)
        if reply.status == "error":
            error = error_from(reply.code, reply.detail, reply.message)
            if head is not None:
                error.headers = head.headers
            return ErrorReceived(number, self._annotate(error))
        self._token = None  # it was accepted, which is valid for the connection
        if stream and bytes(reply.data) != b"null":
            return ErrorReceived(number, BadGateway("the reply is not a stream: request it with call()"))
        return ResponseReceived(number, reply.data, reply.location, head)

    def _rejected(self, error: ServiceError) -> Event:
        """The service rejects the connection. If a message was too large, only its own call fails."""
        limit = error.detail.get("max_message_bytes") if isinstance(error.detail, dict) else None
        if isinstance(error, TooLarge) and isinstance(limit, int):
            too_large = next((number for number, size in self.pending.items() if size > limit), None)
            if too_large is not None:
                self.leaving = True
                del self.pending[too_large]
                return ErrorReceived(too_large, error)
        raise error
