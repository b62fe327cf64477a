"""The parser of requests, with bytes in pieces of any size."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.abuse import CHUNKED, bodies
from tests.unit.rest.http_connection import raw
from unixsvc.errors import ServiceError
from unixsvc.rest.server.parser import RequestParser
from unixsvc.rest.server.usual_head import UsualHeads

LIMIT, HEAD = 100, 1024


def make_parser() -> RequestParser:
    """A parser with low limits."""
    return RequestParser(HEAD, LIMIT, UsualHeads(HEAD))


def received(parser: RequestParser, data: bytes) -> list[tuple[bytes, bytes]]:
    """Receive bytes as a connection does; returns the targets and bodies of all complete requests."""
    found = []
    if parser.buffer or parser.head is not None:
        parser.buffer += data
        each = parser.next()
    else:
        each = parser.take(data)
    while each is not None:
        head, body = each
        found.append((head.target, body))
        each = parser.next()
    return found


class ParserTests(SynchronousTestCase):
    """The bytes of one connection."""

    def setUp(self) -> None:
        """Create a parser."""
        self.parser = make_parser()

    def code_of(self, *pieces: bytes) -> int:
        """The status code with which bytes are rejected; 0 if they are accepted."""
        parser = make_parser()
        for each in pieces:
            try:
                received(parser, each)
            except ServiceError as error:
                return error.code
        return 0

    def test_pieces(self) -> None:
        """Requests of all kinds are parsed from single bytes and from all bytes at once."""
        data = (
            raw("GET /a HTTP/1.1")
            + raw("POST /b HTTP/1.1", "Content-Length: 4", body=b"\r\n\r\n")
            + raw("POST /c HTTP/1.1", "Transfer-Encoding: chunked")
            + b'3;x="y"\r\nabc\r\nA\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n'
            + raw("GET /d HTTP/1.1")
        )
        expected = [(b"/a", b""), (b"/b", b"\r\n\r\n"), (b"/c", b"abc0123456789"), (b"/d", b"")]
        self.assertEqual(received(self.parser, data), expected)
        found = []
        for each in data:
            found += received(self.parser, bytes([each]))
        self.assertEqual((found, self.parser.buffer), (expected, b""))

    def test_chunks(self) -> None:
        """Malformed chunks are rejected, and chunks that are too large as soon as the size is there."""
        for each in bodies(HEAD, LIMIT):
            pieces = [bytes([byte]) for byte in each.sent]
            self.assertEqual((each.why, self.code_of(each.sent)), (each.why, each.code))
            self.assertEqual((each.why, self.code_of(*pieces)), (each.why, each.code))

    def test_too_large(self) -> None:
        """A body over the limit is rejected by its head; one of the limit's size is accepted."""
        self.assertEqual(self.code_of(raw("POST / HTTP/1.1", "Content-Length: 101")), 413)
        self.assertEqual(self.code_of(raw("POST / HTTP/1.1", "Content-Length: 100"), b"a" * 100), 0)
        self.assertEqual(self.code_of(CHUNKED, b"64\r\n" + b"a" * 100 + b"\r\n0\r\n\r\n"), 0)

    def test_long_head(self) -> None:
        """A head of the limit's size is accepted, a longer one rejected, in pieces too."""
        spare = HEAD - len(raw("GET / HTTP/1.1", "A: ")) + 4
        for length, code in ((spare, 0), (spare + 1, 431)):
            data = raw("GET / HTTP/1.1", "A: " + "b" * length)
            self.assertEqual(self.code_of(data), code)
            self.assertEqual(self.code_of(*[bytes([each]) for each in data]), code)

    def test_blank(self) -> None:
        """One empty line before a request is skipped, two are rejected."""
        self.assertEqual(self.code_of(b"\r\n" + raw() + b"\r\n" + raw()), 0)
        self.assertEqual(self.code_of(b"\r\n\r\n" + raw()), 400)
        self.assertEqual(self.code_of(b"\r\n", b"\r\n"), 400)

    def test_state(self) -> None:
        """The parser has the head of the request whose body is awaited, and clear() drops everything."""
        incomplete = raw("POST /a HTTP/1.1", "Content-Length: 4", body=b"ab")
        self.assertEqual(received(self.parser, incomplete), [])
        assert self.parser.head is not None
        self.assertEqual(self.parser.head.target, b"/a")
        self.parser.clear()
        self.assertEqual((self.parser.head, self.parser.buffer), (None, b""))
