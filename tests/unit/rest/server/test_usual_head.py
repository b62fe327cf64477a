"""Heads whose fields are remembered, against the strict parser."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.abuse import HEADS, LIMIT
from tests.unit.rest.http_connection import raw
from unixsvc.errors import ServiceError
from unixsvc.rest.server.request_head import Head, parse_head
from unixsvc.rest.server.usual_head import UsualHeads

USUAL = raw("POST /a?b=c HTTP/1.1", "x-a:  b \t", "X-A: c", "Content-length: 007", "Connection: keep-alive")
_PIECES = [
    b"GET / HTTP/1.1\r\n", b"CONNECT / HTTP/1.1\r\n", b"get /x?y HTTP/1.1\r\n", b"GET * HTTP/1.1\r\n",
    b"GET / HTTP/1.0\r\n", b"GET /a#b HTTP/1.1\r\n", b"GET /  HTTP/1.1\r\n", b"Host: x\r\n",
    b"Host: a..b\r\n", b"Host: y:80\r\n", b"host:[::1]\r\n", b"A: b\r\n", b"A:\r\n", b"A : b\r\n",
    b" A: b\r\n", b": b\r\n", b"A: b\n", b"A: b\rC: d\r\n", b"A\r\n", b"A: \x00\r\n", b"A: \xff\r\n",
    b"a: \t c \t\r\n", b"Content-Length: 3\r\n", b"Content-Length: 3, 3\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 1\xb2\r\n", b"Content-Length: 1234567890123456789\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n", b"Connection: close\r\n",
    b"Connection: x, Close\r\n", b"\r\n", b"\n", b"\r", b"x", b":", b"A: " + b"b" * 900 + b"\r\n",
]  # fmt: skip


def defined(data: bytes) -> Head | ServiceError | None:
    """What the definition says about a head; None if it is incomplete."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    try:
        return parse_head(head, LIMIT)
    except ServiceError as error:
        return error


class UsualHeadTests(SynchronousTestCase):
    """Heads in one piece."""

    def setUp(self) -> None:
        """Create a parser."""
        self.heads = UsualHeads(LIMIT)

    def check(self, data: bytes) -> bool:
        """Compare with the definition, twice; returns whether the head is accepted."""
        found = None
        for _ in range(2):
            expected = defined(data)
            try:
                found = self.heads.parse(data)
            except ServiceError as error:
                assert isinstance(expected, ServiceError), (data, expected)
                self.assertEqual((error.code, error.detail), (expected.code, expected.detail))
                return False
            if found is not None:
                head, size = found
                assert isinstance(expected, Head), (data, expected)
                self.assertEqual(data[size - 4 : size], b"\r\n\r\n")
                for name in ("method", "target", "version", "fields"):
                    self.assertEqual(getattr(head, name), getattr(expected, name), data)
                for name in ("length", "keep_alive", "expects_continue"):
                    self.assertEqual(getattr(head.block, name), getattr(expected.block, name), data)
        return found is not None

    def test_usual(self) -> None:
        """Heads with a path, one host and any other fields are accepted, followed by anything."""
        self.assertTrue(self.check(USUAL))
        self.assertTrue(self.check(USUAL + b"\x00\r\n\r\n"))
        self.assertTrue(self.check(raw("DELETE / HTTP/1.1", host="Host: [::1]:80")))
        self.assertTrue(self.check(raw("GET / HTTP/1.1", "Connection: close")))

    def test_unusual(self) -> None:
        """Heads with another request line are left to the strict parser, even if they are valid."""
        for line in ("GET / HTTP/1.0", "GET http://x/ HTTP/1.1", "OPTIONS * HTTP/1.1", "get / HTTP/1.1"):
            self.assertIsInstance(defined(raw(line)), Head)
            self.assertIsNone(self.heads.parse(raw(line)))

    def test_body(self) -> None:
        """What follows from the fields for the body is remembered with them."""
        for field in ("Content-Length: 3", "Transfer-Encoding: chunked", "Expect: 100-continue"):
            self.assertTrue(self.check(raw("POST / HTTP/1.1", field)))

    def test_limit(self) -> None:
        """A head with remembered fields may be too long for its path, or too long a path."""
        self.assertTrue(self.check(raw("GET / HTTP/1.1", "A: b")))
        self.assertIsNone(self.heads.parse(raw(f"GET /{'a' * LIMIT} HTTP/1.1", "A: b")))
        heads = UsualHeads(1 << 20)
        self.assertIsNone(heads.parse(raw(f"GET /{'a' * 9000} HTTP/1.1", "A: b")))

    def test_refused(self) -> None:
        """What the strict parser refuses is refused."""
        for each in HEADS:
            self.assertFalse(self.check(each.sent), each.why)

    def test_every_byte(self) -> None:
        """A usual head in which one byte is changed, missing, or doubled is what the definition says."""
        usual = 0
        for index in range(len(USUAL)):
            before, after = USUAL[:index], USUAL[index + 1 :]
            usual += sum(self.check(before + bytes([byte]) + after) for byte in range(256))
            usual += self.check(before + after) + self.check(
                before + USUAL[index : index + 1] + USUAL[index:]
            )
        self.assertGreater(usual, 5_000)

    @given(st.lists(st.sampled_from(_PIECES), max_size=8))
    def test_pieces(self, pieces: list[bytes]) -> None:
        """Heads of odd pieces are what the definition says."""
        self.check(b"".join(pieces) + b"\r\n")
        self.check(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(pieces) + b"\r\n")

    def test_shared_fields(self) -> None:
        """Equal fields are parsed once, whatever the request line; they are forgotten in time."""
        first, second = (self.heads.parse(raw(f"GET /{each} HTTP/1.1", "A: b")) for each in "ab")
        assert first is not None and second is not None
        self.assertIs(first[0].block, second[0].block)
        for number in range(300):
            self.heads.parse(raw("GET / HTTP/1.1", f"A: {number}"))
        third = self.heads.parse(raw("GET / HTTP/1.1", "A: b"))
        assert third is not None
        self.assertIsNot(first[0].block, third[0].block)
        self.assertLessEqual(len(self.heads), 256)

    def test_long_fields(self) -> None:
        """Long fields are not remembered."""
        long = raw("GET / HTTP/1.1", "A: " + "b" * 1100)
        self.heads = UsualHeads(4096)
        first, second = self.heads.parse(long), self.heads.parse(long)
        assert first is not None and second is not None
        self.assertIsNot(first[0].block, second[0].block)
        self.assertEqual(len(self.heads), 0)
