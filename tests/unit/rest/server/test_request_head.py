"""What of a head is refused, and how it is read."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from tests.unit.rest.abuse import HEADS, LIMIT
from tests.unit.rest.http_connection import raw
from unixsvc.errors import ServiceError
from unixsvc.rest.server.request_head import Head, check_partial_head, has_close, parse_head
from unixsvc.rest.server.twisted_internals import ParsedHeaders


def read(request: bytes) -> Head:
    """The head of a request."""
    return parse_head(request.partition(b"\r\n\r\n")[0], LIMIT)


class RefusedTests(SynchronousTestCase):
    """Heads that two programs could read differently, or that ask too much."""

    def test_refused(self) -> None:
        """Each is refused, with its code."""
        for each in HEADS:
            with self.assertRaises(ServiceError, msg=each.why) as caught:
                read(each.sent)
            self.assertEqual((each.why, caught.exception.code), (each.why, each.code))


class ServedTests(SynchronousTestCase):
    """Heads that are served."""

    def test_read(self) -> None:
        """The request line, and the fields by their usual spelling, with values stripped."""
        head = read(raw("PUT /a?b=c HTTP/1.1", "x-a:  b \t", "X-A: c", "etag:", "Content-length: 007"))
        self.assertEqual((head.method, head.target, head.version), (b"PUT", b"/a?b=c", b"HTTP/1.1"))
        expected = {b"Host": [b"x"], b"X-A": [b"b", b"c"], b"ETag": [b""], b"Content-Length": [b"007"]}
        self.assertEqual((head.fields, head.length), (expected, 7))

    def test_lengths(self) -> None:
        """No length is none, and chunks have none that is known."""
        self.assertEqual(read(raw()).length, 0)
        self.assertIsNone(read(raw("POST / HTTP/1.1", "Transfer-Encoding: chunked")).length)

    def test_old(self) -> None:
        """HTTP/1.0 needs no Host and no headers at all, knows no expectation, and is not kept."""
        head = read(b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual((head.fields, head.keep_alive), ({}, False))
        self.assertFalse(
            read(raw("POST / HTTP/1.0", "Expect: 100-continue", "Content-Length: 1")).expects_continue
        )

    def test_keep(self) -> None:
        """A connection is kept unless its client says that it closes it, among other things."""
        self.assertTrue(read(raw()).keep_alive)
        self.assertTrue(read(raw("GET / HTTP/1.1", "Connection: keep-alive")).keep_alive)
        self.assertFalse(read(raw("GET / HTTP/1.1", "Connection: TE, Close")).keep_alive)
        self.assertFalse(has_close([b"closed", b"not close"]))

    def test_expects(self) -> None:
        """``100-continue`` is known in any case."""
        self.assertTrue(
            read(raw("POST / HTTP/1.1", "Expect: 100-Continue", "Content-Length: 1")).expects_continue
        )

    def test_absolute(self) -> None:
        """Of an absolute target the path counts, and its host in place of Host."""
        for target, path in (
            (b"http://y:80/a?b", b"/a?b"), (b"HTTPS://y:80", b"/"), (b"http://y:80?b", b"/?b"),
        ):  # fmt: skip
            head = read(raw(f"GET {target.decode()} HTTP/1.1"))
            self.assertEqual((head.target, head.fields[b"Host"]), (path, [b"y:80"]))

    def test_hosts(self) -> None:
        """Names, addresses of both kinds, ports, and nothing."""
        for host in (
            "a.example:8080", "127.0.0.1", "[::1]:80", "[::ffff:1.2.3.4]", "", ":80", "a_b", "a.example.",
            "a" * 63, "a." * 126 + "b:80",
        ):  # fmt: skip
            self.assertEqual(read(raw(host=f"Host: {host}")).fields[b"Host"], [host.encode()])

    def test_star(self) -> None:
        """OPTIONS may ask for everything."""
        self.assertEqual(read(raw("OPTIONS * HTTP/1.1")).target, b"*")

    def test_bytes(self) -> None:
        """Bytes that are not ASCII may be in values, as they always could."""
        self.assertEqual(read(raw("GET / HTTP/1.1", "A: \xe4\tb")).fields[b"A"], [b"\xe4\tb"])

    def test_fields(self) -> None:
        """They are what twisted.web has: the same questions, the same answers."""
        ours, theirs = ParsedHeaders(read(raw("GET / HTTP/1.1", "a-b: c")).fields), Headers()
        theirs.addRawHeader(b"host", b"x")
        theirs.addRawHeader(b"A-B", b"c")
        self.assertEqual(ours, theirs)
        self.assertEqual((ours.getRawHeaders("A-b"), ours.hasHeader(b"c")), (["c"], False))
        ours.addRawHeader(b"a-b", b"d")
        self.assertEqual(ours.getRawHeaders(b"A-B"), [b"c", b"d"])


class BegunTests(SynchronousTestCase):
    """Heads that are not whole yet."""

    def code_of(self, *pieces: bytes) -> int:
        """How a head is refused whose pieces come one after the other; 0 if it isn't."""
        suspended = bytearray()
        for each in pieces:
            requests = len(suspended)
            suspended += each
            try:
                check_partial_head(suspended, requests, 1024)
            except ServiceError as error:
                return error.code
        return 0

    def test_nonsense(self) -> None:
        """It is refused at once: another protocol, a line end that is none, however it is cut."""
        self.assertEqual(self.code_of(b"\x16\x03\x01"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\n"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r", b"a"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r\nA: b", b"\n"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r", b"\nA: b\r", b"\n"), 0)

    def test_line(self) -> None:
        """A request line is looked at as soon as it is whole."""
        self.assertEqual(self.code_of(b"GET /\r", b"\n"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.2\r\nHost"), 505)

    def test_too_long(self) -> None:
        """What grows beyond the limit is refused before it ends."""
        self.assertEqual(self.code_of(b"GET /", b"a" * 1020), 414)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r\n", b"a" * 1020), 431)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r\n", b"a" * 1000), 0)
