"""The messages on a circuit: a head of five bytes, then a payload. Pure."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

import msgspec
from msgspec import Struct

__all__ = [
    "Acceptance",
    "Frame",
    "Kind",
    "OpenRequest",
    "decode_acceptance",
    "decode_frame",
    "decode_request",
    "encode_frame",
]

_HEAD: Final = struct.Struct(">BI")
_NUMBERS: Final = 2**32


class Kind(IntEnum):
    """What a message is for."""

    OPENED = 1  # the answer to a request to open a circuit: an Acceptance
    REFUSED = 2  # the same: none was opened, and nothing was seen
    DATA = 3
    ACK = 4  # eight bytes: how many bytes the sender of the ACK has taken in all
    PING = 5
    PONG = 6
    CLOSE = 7  # no more data follows
    RESET = 8  # there is no such circuit


class Frame(Struct, frozen=True, gc=False):
    """A message.

    :ivar number: of DATA and CLOSE, its place among those of its sender, counted from 0; of others, that of
        the next one. It wraps at 2³².
    """

    kind: Kind
    number: int
    payload: bytes


class OpenRequest(Struct, frozen=True):
    """The request to open a circuit, as JSON.

    :ivar pipe: the subject of the side that asks.
    :ivar host: its host.
    """

    pipe: str
    host: str


class Acceptance(Struct, frozen=True):
    """The answer, as JSON.

    :ivar pipe: the subject of the side that answers.
    :ivar host: its host.
    """

    pipe: str
    host: str


def encode_frame(kind: Kind, number: int, payload: bytes = b"") -> bytes:
    """Encode a message."""
    return _HEAD.pack(kind, number % _NUMBERS) + payload


def decode_frame(message: bytes) -> Frame:
    """Decode a message.

    :raises ValueError: if it is none.
    """
    try:
        kind, number = _HEAD.unpack_from(message)
    except struct.error:
        raise ValueError("a message without a head") from None
    return Frame(Kind(kind), number, message[_HEAD.size :])


def decode_request(message: bytes) -> OpenRequest:
    """Decode a request to open a circuit.

    :raises ValueError: if it is none.
    """
    try:
        return msgspec.json.decode(message, type=OpenRequest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None


def decode_acceptance(message: bytes) -> Acceptance:
    """Decode the answer to it.

    :raises ValueError: if it is none.
    """
    try:
        return msgspec.json.decode(message, type=Acceptance)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(str(error)) from None
