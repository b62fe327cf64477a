"""The items of a WebSocket in the wire protocol, in both directions. Pure.

From server to client they are items of a stream; from client to server each is a message with ``item``.
Source: ``docs/reference/protocol.rst``.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Raw, Struct

from unixsvc.domain.websocket import Close, Message
from unixsvc.errors import BadGateway, Malformed

__all__ = [
    "SUBPROTOCOLS",
    "Accepted",
    "WebSocketItem",
    "decode_client_item",
    "decode_server_item",
    "encode_item",
    "encode_message",
]

SUBPROTOCOLS: Final = "sec-websocket-protocol"
"""The entry of ``meta`` with the subprotocols that the client offers, separated by commas."""


class Accepted(Struct, frozen=True, omit_defaults=True):
    """The server has accepted a WebSocket; the first item.

    :ivar subprotocol: the one that was chosen; None without one.
    :ivar headers: further header fields of the response over HTTP.
    """

    subprotocol: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


class WebSocketItem(Struct, frozen=True, omit_defaults=True):
    """One item; exactly one of the fields is set.

    :ivar text: a text message.
    :ivar binary: a binary message, in base64.
    :ivar close: this side has closed the WebSocket.
    :ivar credit: from the server: how many further messages the client may send.
    :ivar accept: from the server: the handshake is accepted.
    """

    text: str | None = None
    binary: bytes | None = None
    close: Close | None = None
    credit: int | None = None
    accept: Accepted | None = None

    @property
    def message(self) -> Message | None:
        """The message; None for any other item."""
        return self.binary if self.text is None else self.text


_decode: Final = msgspec.json.Decoder(WebSocketItem).decode
_encode: Final = msgspec.json.Encoder().encode
_NOT_VALID: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_client_item(item: Raw) -> WebSocketItem:
    """Decode an item of a client.

    :raises Malformed: if it is not one.
    """
    try:
        found = _decode(item)
    except _NOT_VALID:
        raise Malformed([{"field": "item", "message": "is not an item of a WebSocket"}]) from None
    return found


def decode_server_item(item: Raw) -> WebSocketItem:
    """Decode an item of a server.

    :raises BadGateway: if it is not one.
    """
    try:
        return _decode(item)
    except _NOT_VALID:
        raise BadGateway("the service sent an item that is not one of a WebSocket") from None


def encode_item(item: WebSocketItem) -> bytes:
    """Encode an item, as JSON."""
    return _encode(item)


def encode_message(data: bytes, *, text: bool) -> bytes:
    """Encode a message, as JSON.

    :param text: whether the data is a text message, in UTF-8.
    """
    return _encode(WebSocketItem(text=data.decode()) if text else WebSocketItem(binary=data))
