"""Frames of a client as bytes, made without the library that the server uses."""

from __future__ import annotations

import struct
import zlib

from msgspec import Struct

__all__ = [
    "BINARY",
    "CLOSE",
    "CONTINUATION",
    "PING",
    "PONG",
    "TEXT",
    "Frame",
    "close_frame",
    "deflated",
    "frame",
    "frames_in",
]

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_MASK = b"\x11\x22\x33\x44"


class Frame(Struct, frozen=True):
    """A frame of the server."""

    opcode: int
    payload: bytes
    fin: bool = True
    compressed: bool = False


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, rsv: int = 0) -> bytes:
    """A frame.

    :param rsv: the three reserved bits; 4 for a compressed message.
    """
    head = bytes([fin << 7 | rsv << 4 | opcode])
    size, bit = len(payload), mask << 7
    if size < 126:
        head += bytes([bit | size])
    elif size < 65_536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not mask:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))


def close_frame(code: int, reason: str = "") -> bytes:
    """A Close frame."""
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


def deflated(payload: bytes) -> bytes:
    """The payload of a compressed message (RFC 7692, section 7.2.1)."""
    compressor = zlib.compressobj(wbits=-12)
    return (compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]


def frames_in(data: bytes) -> list[Frame]:
    """The frames of the server in what was received."""
    found: list[Frame] = []
    while data:
        first, size = data[0], data[1]
        assert size < 128, "a frame of the server is masked"
        data = data[2:]
        if size >= 126:
            width = 2 if size == 126 else 8
            size, data = int.from_bytes(data[:width], "big"), data[width:]
        found.append(Frame(first & 15, data[:size], bool(first & 128), bool(first & 64)))
        data = data[size:]
    return found
