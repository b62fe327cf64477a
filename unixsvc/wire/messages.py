"""Between the bytes of one message and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from unixsvc.domain.message import EMPTY, Caller, Reply, Request
from unixsvc.domain.validation import JSON, find_field_errors
from unixsvc.errors import Malformed, NotJSON

__all__ = [
    "Id",
    "WireRequest",
    "decode",
    "encode",
    "encode_items",
    "find_id",
    "is_grant",
    "is_oneway",
    "to_request",
]

Id = int | str | None


class WireRequest(Struct, frozen=True, gc=False):
    """A request as it stands on the wire."""

    id: Id = None
    method: str = "GET"
    path: str = "/"
    data: Raw = EMPTY
    auth_token: str | None = None
    timeout: float | None = None
    meta: dict[str, str] = {}
    oneway: bool = False
    cancel: bool = False
    credit: Annotated[int, Meta(ge=0)] | None = None

    def __repr__(self) -> str:
        # The generated one would show the token, and a repr ends up in logs.
        return f"<WireRequest {self.id!r} {self.method} {self.path}>"


class _OnlyId(Struct):
    id: Id = None


class _OnlyOneway(Struct):
    oneway: bool = False


class _OnlyPath(Struct):
    path: str | UnsetType = UNSET


_decode: Final = msgspec.json.Decoder(WireRequest).decode
_encode: Final = msgspec.json.Encoder().encode
_PLAINLY: Final = [{"field": "", "message": "is not JSON"}]
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode(message: bytes) -> WireRequest:
    """Read a request.

    :raises NotJSON: if the bytes are none.
    :raises Malformed: if it is no object, or a field is of the wrong type; the detail says which.
    """
    try:
        wire = _decode(message)
    except msgspec.ValidationError:
        raise _malformed(message) from None
    except _NOT_JSON:
        raise NotJSON(_PLAINLY) from None
    if wire.data is not EMPTY and memoryview(wire.data)[0] != 0x7B:
        raise Malformed([{"field": "data", "message": "Expected `object`"}])
    if wire.path[:1] != "/":
        raise Malformed([{"field": "path", "message": "starts with '/'"}])
    return wire


def to_request(wire: WireRequest, caller: Caller) -> Request:
    """The request for the domain."""
    path, query = wire.path, ""
    if "?" in path:
        path, _, query = path.partition("?")
    method = wire.method.upper()
    return Request(method, path, wire.data, query, wire.auth_token, wire.timeout, wire.meta, caller)


def is_oneway(message: bytes) -> bool:
    """Whether a message that is wrong otherwise says that it wants no reply."""
    try:
        return msgspec.json.decode(message, type=_OnlyOneway).oneway
    except _NOT_JSON:  # a ValidationError is a DecodeError
        return False


def is_grant(message: bytes) -> bool:
    """Whether a message with credit wants more of a stream: one that asks for something says its path."""
    return msgspec.json.decode(message, type=_OnlyPath).path is UNSET


def find_id(message: bytes) -> Id:
    """The id of a message that is wrong otherwise; None if even that cannot be read."""
    try:
        return msgspec.json.decode(message, type=_OnlyId).id
    except _NOT_JSON:  # a ValidationError is a DecodeError
        return None


def encode(id: Id, reply: Reply, end: bytes = b"") -> bytes:
    """A reply as it goes on the wire: an envelope if there is an id, else bare.

    :param end: what follows it.
    """
    if type(id) is int and reply.code == 200 and reply.location is None:
        return b'{"id":%d,"code":200,"data":%b}%b' % (id, reply.body, end)
    return _encode_reply(id, reply) + end


def _encode_reply(id: Id, reply: Reply) -> bytes:
    if reply.code >= 400:
        failure: dict[str, Any] = {} if id is None else {"id": id}
        failure |= {"status": "error", "code": reply.code, "message": reply.message, "detail": reply.detail}
        return _encode(failure)
    if id is None:
        return reply.body
    if reply.location is not None:
        where = _encode(reply.location)
        return b'{"id":%b,"code":%d,"location":%b,"data":%b}' % (_encode(id), reply.code, where, reply.body)
    return b'{"id":%b,"code":%d,"data":%b}' % (_encode(id), reply.code, reply.body)


def encode_items(id: Id, items: Sequence[bytes]) -> bytes:
    """Items of a stream as they go on the wire, each with its line end."""
    start = b'{"id":%b,"more":true,"data":' % _encode(id)
    return start + (b"}\n" + start).join(items) + b"}\n"


def _malformed(message: bytes) -> Malformed:
    try:
        msgspec.json.decode(message, type=Raw)  # what is wrong may be found before it is seen to be no JSON
        problems = find_field_errors(WireRequest, message, JSON)
    except _NOT_JSON:
        return NotJSON(_PLAINLY)
    return Malformed([{"field": each.field, "message": each.message} for each in problems])
