"""The messages of the wire protocol, defined once for client and server.

Neither direction has type tags: the fields that are present say what a message is. So each direction is one
struct, which the decoder fills in one pass:

- :class:`ClientMessage`: a request, a cancel (``cancel``), credit for a stream (``credit``, no ``path``), or
  an item of a WebSocket (``item``, no ``path``).
- :class:`ServerMessage`: a reply, an error (``status``), a stream item (``more``) or goaway (``goaway``).

Source: ``docs/reference/protocol.rst``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from unixsvc.domain.message import EMPTY, Caller, Reply, Request
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.domain.validation.formats import ENCODED
from unixsvc.domain.validation.validator import find_field_errors
from unixsvc.errors import BadGateway, Malformed, NotJSON
from unixsvc.wire.heads import WireHead, encode_body, encode_head

__all__ = [
    "GOAWAY",
    "MAX_ID_BYTES",
    "ClientMessage",
    "Id",
    "NotAnObject",
    "ServerMessage",
    "accept_data",
    "check_utf8",
    "decode_client_message",
    "decode_server_message",
    "encode_cancel",
    "encode_client_item",
    "encode_client_message",
    "encode_credit",
    "encode_items",
    "encode_reply",
    "find_id",
    "is_oneway",
    "item_overhead",
    "to_request",
]

Id = int | str | None

MAX_ID_BYTES: Final = 255
"""The longest id, as encoded: a stream repeats it with each item."""
GOAWAY: Final = b'{"goaway":true}\n'


class ClientMessage(Struct, frozen=True, gc=False, omit_defaults=True):
    """A message from client to server; fields with their default value are not sent.

    :ivar id: chosen by the client; None for the bare replies of the one-message exchange.
    :ivar path: UNSET means ``/``; with ``credit`` it makes the message credit for a stream, not a request.
    :ivar data: a JSON object.
    :ivar timeout: time that the caller has left, in seconds.
    :ivar meta: ``request_id``, ``traceparent``, ``idempotency_key``, and the caller's own.
    :ivar oneway: no reply is sent.
    :ivar cancel: cancel the pending request with this id.
    :ivar credit: number of stream items that the client will take, in addition to earlier credit.
    :ivar item: an item of the client for the WebSocket with this id, see :mod:`unixsvc.wire.websockets`.
    """

    id: Id = None
    method: str = "GET"
    path: str | UnsetType = UNSET
    data: Raw = EMPTY
    auth_token: str | None = None
    timeout: float | None = None
    meta: dict[str, str] = {}
    oneway: bool = False
    cancel: bool = False
    credit: Annotated[int, Meta(ge=0)] | None = None
    item: Raw | UnsetType = UNSET

    def __repr__(self) -> str:
        # The generated repr would show the token, and a repr ends up in logs.
        return f"<ClientMessage {self.id!r} {self.method} {self.path}>"


class NotAnObject(Malformed):
    """The ``data`` of a message is no object, as most routes take it.

    :param decoded: the message.
    """

    def __init__(self, decoded: ClientMessage) -> None:
        super().__init__([{"field": "data", "message": "Expected `object`"}])
        self.decoded = decoded


class ServerMessage(Struct, frozen=True, gc=False):
    """A message from server to client; unknown fields are ignored, as later versions may add some.

    :ivar id: of the request; None in a bare reply, in an error of the whole connection, and in goaway.
    :ivar status: ``error`` for an error reply.
    :ivar message: the error's reason phrase.
    :ivar detail: the error's detail: any JSON value.
    :ivar data: the result or the stream item, as JSON.
    :ivar location: path of the resource that was created; None if none was.
    :ivar head: what the reply says over HTTP besides; of a stream, its first item has it.
    :ivar more: this is a stream item.
    :ivar goaway: the client is asked to open no more requests on this connection.
    """

    id: Id = None
    code: int = 0
    status: str = ""
    message: str = ""
    detail: object = None
    data: Raw = Raw(b"null")
    location: str | None = None
    head: WireHead | None = None
    more: bool = False
    goaway: bool = False

    @property
    def failed(self) -> bool:
        """True for an error reply."""
        return self.status == "error"


class _OnlyId(Struct):
    id: Id = None


class _OnlyOneway(Struct):
    oneway: bool = False


_decode_client: Final = msgspec.json.Decoder(ClientMessage).decode
_decode_server: Final = msgspec.json.Decoder(ServerMessage).decode
_encode: Final = msgspec.json.Encoder().encode
_NOT_JSON_DETAIL: Final = [{"field": "", "message": "is not JSON"}]
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ITEM_END: Final = b"}\n"
_TRACE_KEYS: Final = ("request_id", "traceparent")
_NO_SERVER_MESSAGE: Final = "the reply is not a message of the protocol"

# The encoder itself: a function around it would be one more call for each request of a client.
encode_client_message: Final[Callable[[ClientMessage], bytes]] = _encode


# Client to server.


def decode_client_message(message: bytes) -> ClientMessage:
    """Decode one message of a client.

    :param message: without the line end.
    :raises NotJSON: if it is not JSON.
    :raises Malformed: if it is not an object, or fields have the wrong type; the detail names them.
    :raises NotAnObject: if only its ``data`` is no object, which some routes accept: see :func:`accept_data`.
    """
    try:
        decoded = _decode_client(message)
    except msgspec.ValidationError:
        raise _malformed(message) from None
    except _NOT_JSON:
        raise NotJSON(_NOT_JSON_DETAIL) from None
    if decoded.data is not EMPTY and memoryview(decoded.data)[0] != 0x7B:
        raise NotAnObject(decoded)
    path = decoded.path
    if (path is not UNSET and path[:1] != "/") or len(message) > MAX_ID_BYTES:
        _check_values(decoded)  # no shorter message has an id that is too long
    return decoded


def accept_data(error: NotAnObject, accepts: Callable[[str, str], bool]) -> ClientMessage:
    """Return a message whose ``data`` is no object, if its route accepts that.

    :param accepts: whether the route of a method and a path does so.
    :raises NotAnObject: if it does not.
    :raises Malformed: for another problem.
    """
    decoded = error.decoded
    path = "/" if decoded.path is UNSET else decoded.path
    if not accepts(decoded.method.upper(), path.partition("?")[0]):
        raise error
    _check_values(decoded)
    return decoded


def to_request(message: ClientMessage, caller: Caller) -> Request:
    """Make the domain's request from a message that is neither a cancel nor credit."""
    path, query = message.path, ""
    if path is UNSET:
        path = "/"
    elif "?" in path:
        path, _, query = path.partition("?")
    method = message.method.upper()
    return Request(
        method, path, message.data, query, message.auth_token, message.timeout, message.meta, caller
    )


def is_oneway(message: bytes) -> bool:
    """True if a malformed message asks for no reply."""
    try:
        return msgspec.json.decode(message, type=_OnlyOneway).oneway
    except _NOT_JSON:  # a ValidationError is a DecodeError
        return False


def find_id(message: bytes) -> Id:
    """Id of a malformed message; None if it has none that can be decoded, or one that is too long."""
    try:
        found = msgspec.json.decode(message, type=_OnlyId).id
    except _NOT_JSON:  # a ValidationError is a DecodeError
        return None
    return found if _is_short(found) else None


def encode_cancel(id: int) -> bytes:
    """Encode the cancel of a request, with the line end."""
    return _encode(ClientMessage(id, cancel=True)) + b"\n"


def encode_credit(id: int, items: int) -> bytes:
    """Encode credit for a number of further items of a stream, with the line end."""
    return _encode(ClientMessage(id, credit=items)) + b"\n"


def encode_client_item(id: int, item: bytes) -> bytes:
    """Encode an item of the client for a WebSocket, with the line end.

    :param item: as JSON.
    """
    return b'{"id":%d,"item":%b}\n' % (id, item)


def _is_short(id: Id) -> bool:
    return len(_encode(id)) <= MAX_ID_BYTES


def _check_values(message: ClientMessage) -> None:
    """Check the path, and the values that are repeated: in replies, in the log, and in other calls.

    :raises Malformed: naming those that are not valid.
    """
    if message.path is not UNSET and not message.path.startswith("/"):
        raise Malformed([{"field": "path", "message": "starts with '/'"}])
    ids: dict[str, Id] = {"id": message.id}
    if message.meta:
        ids |= {f"meta.{key}": message.meta.get(key) for key in _TRACE_KEYS}
    too_long = [field for field, value in ids.items() if not _is_short(value)]
    if too_long:
        problem = f"is longer than {MAX_ID_BYTES} bytes"
        raise Malformed([{"field": field, "message": problem} for field in too_long])


def _malformed(message: bytes) -> Malformed:
    try:
        msgspec.json.decode(message, type=Raw)  # a wrong type may be found in front of what is not JSON
        problems = find_field_errors(ClientMessage, message, ENCODED)
    except _NOT_JSON:
        return NotJSON(_NOT_JSON_DETAIL)
    return Malformed([{"field": problem.field, "message": problem.message} for problem in problems])


# Server to client.


def decode_server_message(line: bytes) -> ServerMessage:
    """Decode one message of a server.

    :param line: without the line end. That ``data`` is UTF-8 is not checked: see :func:`check_utf8`.
    :raises BadGateway: if it is not a message of the protocol.
    """
    try:
        return _decode_server(line)
    except _NOT_JSON:
        raise BadGateway(_NO_SERVER_MESSAGE) from None


def check_utf8(lines: Iterable[bytes]) -> None:
    """Check that messages of a server are UTF-8, also in ``data``, which the decoder does not look into.

    :raises BadGateway: if one is not.
    """
    try:
        for line in lines:
            line.decode()
    except UnicodeDecodeError:
        raise BadGateway(_NO_SERVER_MESSAGE) from None


def encode_reply(id: Id, reply: Reply, end: bytes = b"") -> bytes:
    """Encode a reply: in an envelope if there is an id, else bare.

    :param end: the line end, or nothing in the one-message exchange.
    """
    if type(id) is int and reply.code == 200 and reply.location is None and reply.head is None:
        return b'{"id":%d,"code":200,"data":%b}%b' % (id, reply.body, end)
    return _encode_any_reply(id, reply) + end


def _encode_any_reply(id: Id, reply: Reply) -> bytes:
    if reply.code >= 400:
        error: dict[str, object] = {} if id is None else {"id": id}
        error |= {"status": "error", "code": reply.code, "message": reply.message, "detail": reply.detail}
        if reply.head is not None:
            error["head"] = Raw(encode_head(reply.head))
        return _encode(error)
    data = encode_body(reply.body, reply.head)
    if id is None:
        return data
    location = b"" if reply.location is None else b'"location":%b,' % _encode(reply.location)
    head = b"" if reply.head is None else b'"head":%b,' % encode_head(reply.head)
    return b'{"id":%b,"code":%d,%b%b"data":%b}' % (_encode(id), reply.code, location, head, data)


def encode_items(
    id: Id, items: Sequence[bytes], head: ReplyHead | None = None, *, first: bool = False
) -> bytes:
    """Encode items of a stream, each with its line end.

    :param items: as JSON, or as the head says.
    :param head: of the reply.
    :param first: whether the first one is the first of the stream.
    """
    start = _item_start(id)
    if head is None:
        return start + (_ITEM_END + start).join(items) + _ITEM_END
    encoded = (_ITEM_END + start).join([encode_body(item, head) for item in items])
    if first:
        start = b'{"id":%b,"more":true,"head":%b,"data":' % (_encode(id), encode_head(head))
    return start + encoded + _ITEM_END


def item_overhead(id: Id) -> int:
    """The number of bytes that are sent with each item of a stream, in addition to the item."""
    return len(_item_start(id)) + len(_ITEM_END)


def _item_start(id: Id) -> bytes:
    return b'{"id":%b,"more":true,"data":' % _encode(id)
