from __future__ import annotations

import struct

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.websocket.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Frame,
    close_frame,
    deflated,
    frame,
    frames_in,
)
from unixsvc.domain.websocket import Close, Message
from unixsvc.rest.websocket.handshake import Handshake, negotiate_deflate
from unixsvc.rest.websocket.protocol import MAX_CONTROLS, FrameProtocol

MAX = 1000
OFFER = Handshake(b"", (), "permessage-deflate; client_max_window_bits")


class ProtocolCase(SynchronousTestCase):
    def setUp(self) -> None:
        """Make the server's side."""
        self.protocol = FrameProtocol(MAX)

    def receive(self, data: bytes) -> list[Message]:
        """Receive bytes; the answer is kept in ``answer``."""
        messages = self.protocol.receive(data)
        self.answer = frames_in(self.protocol.output())
        return messages

    def assert_fails(self, data: bytes, code: int) -> None:
        """Receiving the bytes fails the WebSocket with a code, and nothing more is received."""
        self.assertEqual(self.receive(data), [])
        (close,) = [each for each in self.answer if each.opcode == CLOSE]
        self.assertEqual(struct.unpack("!H", close.payload[:2])[0], code)
        self.assertTrue(self.protocol.finished)
        self.assertTrue(self.protocol.failed)
        self.assertEqual(self.receive(frame(TEXT, b"more")), [])


class MessagesTests(ProtocolCase):
    def test_text_and_binary(self) -> None:
        """A text message is a str, a binary message is bytes."""
        self.assertEqual(self.receive(frame(TEXT, "é".encode()) + frame(BINARY, b"\xff")), ["é", b"\xff"])

    def test_split_bytes(self) -> None:
        """A frame may arrive byte by byte."""
        found = [self.receive(bytes([byte])) for byte in frame(TEXT, b"x" * 200)]
        self.assertEqual([each for each in found if each], [["x" * 200]])

    def test_fragments(self) -> None:
        """Fragments are one message, also where a character is split, and with pings in between."""
        data = "é".encode()
        start = frame(TEXT, data[:1], fin=False)
        self.assertEqual(self.receive(start + frame(PING, b"p")), [])
        self.assertEqual(self.answer, [Frame(PONG, b"p")])
        self.assertTrue(self.protocol.in_message)
        self.assertEqual(self.receive(frame(CONTINUATION, data[1:])), ["é"])
        self.assertFalse(self.protocol.in_message)

    def test_send(self) -> None:
        """Messages are sent in one unmasked frame each."""
        self.protocol.send(b"a", text=True)
        self.protocol.send(b"\x00", text=False)
        self.assertEqual(frames_in(self.protocol.output()), [Frame(TEXT, b"a"), Frame(BINARY, b"\x00")])

    def test_held(self) -> None:
        """What is held of an incomplete message is known."""
        self.receive(frame(BINARY, b"12345", fin=False) + frame(CONTINUATION, b"678")[:7])
        self.assertEqual(self.protocol.held, 5 + 7 - 6)


class CloseTests(ProtocolCase):
    def test_by_client(self) -> None:
        """A Close frame is answered with the same code, and the connection is finished."""
        self.receive(close_frame(1000, "done"))
        self.assertEqual(self.answer, [Frame(CLOSE, b"\x03\xe8done")])
        self.assertEqual(self.protocol.received, Close(1000, "done"))
        self.assertTrue(self.protocol.finished)
        self.assertFalse(self.protocol.failed)

    def test_without_code(self) -> None:
        """A Close frame without a code counts as 1005, and is answered with an empty one."""
        self.receive(frame(CLOSE))
        self.assertEqual((self.answer, self.protocol.received), ([Frame(CLOSE, b"")], Close(1005)))

    def test_within_message(self) -> None:
        """A client may close in the middle of a message."""
        self.receive(frame(TEXT, b"a", fin=False) + close_frame(1001))
        self.assertEqual(self.answer, [Frame(CLOSE, struct.pack("!H", 1001))])
        self.assertEqual(self.protocol.received, Close(1001))
        self.assertFalse(self.protocol.failed)

    def test_by_server(self) -> None:
        """The server closes with a code and a reason, and is finished when the client has answered."""
        self.protocol.close(4000, "bye")
        self.assertEqual(frames_in(self.protocol.output()), [Frame(CLOSE, struct.pack("!H", 4000) + b"bye")])
        self.assertEqual((self.protocol.open, self.protocol.finished), (False, False))
        self.receive(close_frame(4000, "bye"))
        self.assertEqual((self.answer, self.protocol.finished), ([], True))

    def test_nothing_after_close(self) -> None:
        """After a close nothing is sent any more, and no second Close frame."""
        self.receive(close_frame(1000))
        self.protocol.send(b"a", text=True)
        self.protocol.close(1000, "")
        self.protocol.ping()
        self.assertEqual(self.protocol.output(), b"")


class ViolationTests(ProtocolCase):
    def test_unmasked(self) -> None:
        """A frame of a client without a mask is a protocol error: a proxy's cache could be poisoned."""
        self.assert_fails(frame(TEXT, b"a", mask=False), 1002)

    def test_malformed(self) -> None:
        """Reserved bits and opcodes, and wrong orders and sizes, are protocol errors."""
        for data in (
            frame(3, b""),
            frame(11, b""),
            frame(TEXT, b"a", rsv=4),
            frame(TEXT, b"a", rsv=1),
            frame(CONTINUATION, b"a"),
            frame(TEXT, b"a", fin=False) + frame(TEXT, b"b"),
            frame(PING, b"", fin=False),
            frame(PING, b"x" * 126),
        ):
            self.protocol = FrameProtocol(MAX)
            self.assert_fails(data, 1002)

    def test_close_codes(self) -> None:
        """A Close frame with a code that must not be sent, or with half of one, is a protocol error."""
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535):
            self.protocol = FrameProtocol(MAX)
            self.receive(close_frame(code))
            self.assertEqual(struct.unpack("!H", self.answer[0].payload[:2])[0], 1002, code)
        self.protocol = FrameProtocol(MAX)
        self.assert_fails(frame(CLOSE, b"\x03"), 1002)

    def test_utf8(self) -> None:
        """Text that is not UTF-8 is 1007, in messages and in reasons."""
        for data in (frame(TEXT, b"\xff"), frame(TEXT, b"\xc3"), frame(CLOSE, b"\x03\xe8\xff")):
            self.protocol = FrameProtocol(MAX)
            self.assert_fails(data, 1007)


class LimitTests(ProtocolCase):
    def test_size(self) -> None:
        """A message above the limit is 1009, as soon as its size is known: nothing of it is buffered."""
        self.assertEqual(self.receive(frame(BINARY, b"x" * MAX)), [b"x" * MAX])
        self.assert_fails(frame(BINARY, b"x" * (MAX + 1))[:8], 1009)

    def test_fragmented_size(self) -> None:
        """The limit is on all fragments together."""
        self.receive(frame(BINARY, b"x" * 600, fin=False))
        self.assert_fails(frame(CONTINUATION, b"x" * 401), 1009)

    def test_huge(self) -> None:
        """A frame that says it has 2^62 bytes is rejected by its head."""
        self.assert_fails(b"\x82\xff" + struct.pack("!Q", 1 << 62) + b"\0\0\0\0", 1009)

    def test_bomb(self) -> None:
        """A compressed message above the limit is 1009, and is not decompressed beyond it."""
        self.protocol = FrameProtocol(MAX, negotiate_deflate(OFFER)[1])
        bomb = deflated(b"\0" * 900_000)
        self.assertLess(len(bomb), MAX)
        self.assert_fails(frame(BINARY, bomb, rsv=4), 1009)

    def test_fragmented_bomb(self) -> None:
        """The same for one whose fragments are below the limit each."""
        self.protocol = FrameProtocol(MAX, negotiate_deflate(OFFER)[1])
        bomb = deflated(b"\0" * 900_000)
        data = frame(BINARY, bomb[:300], rsv=4, fin=False) + frame(CONTINUATION, bomb[300:600], fin=False)
        self.assert_fails(data, 1009)

    def test_compressed(self) -> None:
        """Compressed messages are decompressed, and sent compressed."""
        header, extensions = negotiate_deflate(OFFER)
        self.assertEqual(header, "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12")
        self.protocol = FrameProtocol(MAX, extensions)
        self.assertEqual(self.receive(frame(TEXT, deflated(b"a" * 500), rsv=4)), ["a" * 500])
        self.protocol.send(b"a" * 500, text=True)
        (sent,) = frames_in(self.protocol.output())
        self.assertTrue(sent.compressed)
        self.assertLess(len(sent.payload), 50)

    def test_corrupt(self) -> None:
        """Data that cannot be decompressed is a protocol error."""
        self.protocol = FrameProtocol(MAX, negotiate_deflate(OFFER)[1])
        self.assert_fails(frame(BINARY, b"\xff\xff\xff\xff", rsv=4), 1002)

    def test_controls(self) -> None:
        """More pings and pongs in a second than the limit are 1008; each ping was answered until then."""
        self.receive(frame(PING) * MAX_CONTROLS)
        self.assertEqual(len(self.answer), MAX_CONTROLS)
        self.protocol.check_rate()
        self.receive(frame(PONG) * MAX_CONTROLS)
        self.assertEqual(self.answer, [])
        self.assert_fails(frame(PONG), 1008)

    def test_empty_fragments(self) -> None:
        """A message of ever more empty fragments is 1008; many small ones of a large message are not."""
        self.protocol = FrameProtocol(MAX * 100)
        self.receive(frame(BINARY, b"", fin=False))
        self.receive(frame(CONTINUATION, b"x" * 64, fin=False) * 500)
        self.assertTrue(self.protocol.open)
        self.receive(frame(CONTINUATION, b"", fin=False) * 200)
        self.assertEqual(struct.unpack("!H", self.answer[0].payload[:2])[0], 1008)
