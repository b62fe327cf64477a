"""Frames that a server has to reject, and the code with which it closes."""

from __future__ import annotations

import struct

from msgspec import Struct

from tests.unit.rest.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close_frame,
    deflated,
    frame,
)

__all__ = ["FRAMES", "FrameAbuse"]


class FrameAbuse(Struct, frozen=True):
    """Bytes after the handshake that are rejected.

    :ivar code: the code of the Close frame.
    :ivar why: the reason.
    """

    code: int
    why: str
    sent: bytes


_BOMB = deflated(b"\0" * 50_000_000)

FRAMES = (
    FrameAbuse(1002, "no mask", frame(TEXT, b"a", mask=False)),
    FrameAbuse(1002, "a reserved opcode", frame(3)),
    FrameAbuse(1002, "a reserved control opcode", frame(15)),
    FrameAbuse(1002, "a reserved bit", frame(TEXT, b"a", rsv=2)),
    FrameAbuse(1002, "a ping that is compressed", frame(PING, b"a", rsv=4)),
    FrameAbuse(1002, "a ping in fragments", frame(PING, b"a", fin=False)),
    FrameAbuse(1002, "a ping that is too long", frame(PING, b"a" * 126)),
    FrameAbuse(1002, "a fragment without a start", frame(CONTINUATION, b"a")),
    FrameAbuse(1002, "a second start", frame(TEXT, b"a", fin=False) + frame(TEXT, b"b")),
    FrameAbuse(1002, "half a close code", frame(CLOSE, b"\x03")),
    *(
        FrameAbuse(1002, f"the close code {code}", close_frame(code))
        for code in (0, 999, 1005, 1006, 1015, 65535)
    ),
    FrameAbuse(1002, "compressed data that is none", frame(BINARY, b"\xff" * 9, rsv=4)),
    FrameAbuse(1007, "text that is not UTF-8", frame(TEXT, b"\xc0\x80")),
    FrameAbuse(1007, "text that ends in a character", frame(TEXT, "é".encode()[:1])),
    FrameAbuse(
        1007, "the same in fragments", frame(TEXT, b"\xed", fin=False) + frame(CONTINUATION, b"\xa0\x80")
    ),
    FrameAbuse(1007, "a close reason that is not UTF-8", frame(CLOSE, b"\x03\xe8\xff")),
    FrameAbuse(1008, "10,000 pings", frame(PING) * 10_000),
    FrameAbuse(1008, "10,000 pongs", frame(PONG) * 10_000),
    FrameAbuse(
        1008, "10,000 empty fragments", frame(TEXT, fin=False) + frame(CONTINUATION, fin=False) * 10_000
    ),
    FrameAbuse(1009, "a length of 2^63 - 1", b"\x82\xff" + struct.pack("!Q", 2**63 - 1) + bytes(4)),
    FrameAbuse(1009, "a compressed bomb", frame(BINARY, _BOMB, rsv=4)),
    FrameAbuse(
        1009,
        "a bomb in fragments, with pings between them",
        frame(BINARY, _BOMB[:1000], rsv=4, fin=False)
        + frame(PING, b"a")
        + b"".join(frame(CONTINUATION, _BOMB[at : at + 1000], fin=False) for at in range(1000, 9000, 1000)),
    ),
)
