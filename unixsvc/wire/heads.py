"""The head of a reply on the wire, and bodies that are no JSON."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from msgspec import Raw, Struct

from unixsvc.domain.message import Reply
from unixsvc.domain.reply_head import MAX_HEARTBEAT, MIN_HEARTBEAT, BodyForm, ReplyHead, WrongHeader
from unixsvc.errors import BadGateway

__all__ = ["WireHead", "decode_body", "encode_body", "encode_head", "from_wire", "reply_from_wire"]

_encode: Final = msgspec.json.Encoder().encode
_decode_text: Final = msgspec.json.Decoder(str).decode
_NULL: Final = b"null"


class WireHead(Struct, frozen=True, omit_defaults=True):
    """What a reply says over HTTP besides its data; see :class:`~unixsvc.domain.reply_head.ReplyHead`."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = ""
    form: BodyForm = "json"
    heartbeat: float | None = None  # omitted only if it is None


def encode_head(head: ReplyHead) -> bytes:
    """Encode the head of a reply."""
    return _encode(WireHead(head.status, head.headers, head.media_type, head.form, head.heartbeat or None))


def from_wire(head: WireHead) -> ReplyHead:
    """The head of a reply that has been received.

    :raises BadGateway: if it has fields that HTTP cannot send.
    """
    if head.status and not 200 <= head.status <= 399:
        raise BadGateway("the reply has a head with a status that is not 200 to 399")
    if head.heartbeat is not None and not MIN_HEARTBEAT <= head.heartbeat <= MAX_HEARTBEAT:
        raise BadGateway("the reply has a head with a heartbeat that is not 1 to 3600 seconds")
    try:
        return ReplyHead(
            head.status, head.headers, head.media_type, head.form, heartbeat=head.heartbeat or 0.0
        )
    except WrongHeader as error:
        raise BadGateway(f"the reply has a wrong head: {error}") from None


def encode_body(body: bytes, head: ReplyHead | None) -> bytes:
    """Encode a body, or an item of a stream, as JSON."""
    if head is None or head.form in ("json", "events"):
        return body
    if head.form == "base64":
        return b'"%b"' % base64.b64encode(body)
    return _encode(body.decode("utf-8", "replace"))


def decode_body(data: Raw, head: ReplyHead | None) -> bytes:
    """Decode a body, or an item of a stream, as this process has it.

    :raises BadGateway: if it does not have the form that the head says.
    """
    if head is None or head.form in ("json", "events"):
        return bytes(data)
    try:
        text = _decode_text(data)
        return base64.b64decode(text, validate=True) if head.form == "base64" else text.encode()
    except (msgspec.DecodeError, UnicodeError, binascii.Error):
        raise BadGateway(f"the data of the reply is not {head.form}") from None


def reply_from_wire(data: Raw, location: str | None, head: ReplyHead) -> Reply:
    """A reply with a head, as this process has it.

    :raises BadGateway: if its data does not have the form that the head says.
    """
    return Reply(200, decode_body(data, head), location=location, head=head)
