"""The parser of request heads."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http_headers import Headers

from tests.unit.rest.abuse import HEADS, LIMIT
from tests.unit.rest.http_connection import raw
from unixsvc.errors import ServiceError
from unixsvc.rest.server.request_head import Head, check_partial_head, has_close, parse_head
from unixsvc.rest.web.twisted_internals import ParsedHeaders


def read(request: bytes) -> Head:
    """Parse the head of a request."""
    return parse_head(request.partition(b"\r\n\r\n")[0], LIMIT)


class RejectedTests(SynchronousTestCase):
    """Heads that two programs could parse differently, or that are too large."""

    def test_rejected(self) -> None:
        """Each is rejected with its status code."""
        for each in HEADS:
            with self.assertRaises(ServiceError, msg=each.why) as caught:
                read(each.sent)
            self.assertEqual((each.why, caught.exception.code), (each.why, each.code))


class AcceptedTests(SynchronousTestCase):
    """Heads that are accepted."""

    def test_read(self) -> None:
        """Header names are normalized, and values stripped."""
        head = read(raw("PUT /a?b=c HTTP/1.1", "x-a:  b \t", "X-A: c", "etag:", "Content-length: 007"))
        self.assertEqual((head.method, head.target, head.version), (b"PUT", b"/a?b=c", b"HTTP/1.1"))
        expected = {b"Host": [b"x"], b"X-A": [b"b", b"c"], b"ETag": [b""], b"Content-Length": [b"007"]}
        self.assertEqual((head.fields, head.block.length), (expected, 7))

    def test_lengths(self) -> None:
        """Without Content-Length the length is 0; for a chunked body, in any case, it is not known."""
        self.assertEqual(read(raw()).block.length, 0)
        for coding in ("chunked", "Chunked", "CHUNKED"):
            self.assertIsNone(read(raw("POST / HTTP/1.1", f"Transfer-Encoding: {coding}")).block.length)

    def test_http_1_0(self) -> None:
        """HTTP/1.0 needs no Host, ignores Expect, and has no keep-alive."""
        head = read(b"GET / HTTP/1.0\r\n\r\n")
        self.assertEqual((head.fields, head.block.keep_alive), ({}, False))
        self.assertFalse(
            read(raw("POST / HTTP/1.0", "Expect: 100-continue", "Content-Length: 1")).block.expects_continue
        )

    def test_keep_alive(self) -> None:
        """A connection is kept alive unless Connection contains close."""
        self.assertTrue(read(raw()).block.keep_alive)
        self.assertTrue(read(raw("GET / HTTP/1.1", "Connection: keep-alive")).block.keep_alive)
        self.assertFalse(read(raw("GET / HTTP/1.1", "Connection: TE, Close")).block.keep_alive)
        self.assertFalse(has_close([b"closed", b"not close"]))

    def test_expect(self) -> None:
        """``100-continue`` is accepted in any case."""
        self.assertTrue(
            read(raw("POST / HTTP/1.1", "Expect: 100-Continue", "Content-Length: 1")).block.expects_continue
        )

    def test_absolute(self) -> None:
        """An absolute target is reduced to its path, and its host replaces Host."""
        for target, path in (
            (b"http://y:80/a?b", b"/a?b"), (b"HTTPS://y:80", b"/"), (b"http://y:80?b", b"/?b"),
        ):  # fmt: skip
            head = read(raw(f"GET {target.decode()} HTTP/1.1"))
            self.assertEqual((head.target, head.fields[b"Host"]), (path, [b"y:80"]))

    def test_hosts(self) -> None:
        """Host may be a name, an IPv4 or IPv6 address, with or without a port, or empty."""
        for host in (
            "a.example:8080", "127.0.0.1", "[::1]:80", "[::ffff:1.2.3.4]", "", ":80", "a_b", "a.example.",
            "a" * 63, "a." * 126 + "b:80",
        ):  # fmt: skip
            self.assertEqual(read(raw(host=f"Host: {host}")).fields[b"Host"], [host.encode()])

    def test_star(self) -> None:
        """OPTIONS may have the target ``*``."""
        self.assertEqual(read(raw("OPTIONS * HTTP/1.1")).target, b"*")

    def test_bytes(self) -> None:
        """Values may have bytes that are not ASCII (obs-text)."""
        self.assertEqual(read(raw("GET / HTTP/1.1", "A: \xe4\tb")).fields[b"A"], [b"\xe4\tb"])

    def test_fields(self) -> None:
        """Parsed headers behave as those of twisted.web."""
        ours, theirs = ParsedHeaders(read(raw("GET / HTTP/1.1", "a-b: c")).fields), Headers()
        theirs.addRawHeader(b"host", b"x")
        theirs.addRawHeader(b"A-B", b"c")
        self.assertEqual(ours, theirs)
        self.assertEqual((ours.getRawHeaders("A-b"), ours.hasHeader(b"c")), (["c"], False))
        ours.addRawHeader(b"a-b", b"d")
        self.assertEqual(ours.getRawHeaders(b"A-B"), [b"c", b"d"])


class PartialHeadTests(SynchronousTestCase):
    """Heads that are not complete."""

    def code_of(self, *pieces: bytes) -> int:
        """The status code with which a head in pieces is rejected; 0 if it is accepted."""
        received = bytearray()
        for each in pieces:
            requests = len(received)
            received += each
            try:
                check_partial_head(received, requests, 1024)
            except ServiceError as error:
                return error.code
        return 0

    def test_malformed(self) -> None:
        """Another protocol, and line ends other than CRLF, are rejected at once."""
        self.assertEqual(self.code_of(b"\x16\x03\x01"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\n"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r", b"a"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r\nA: b", b"\n"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r", b"\nA: b\r", b"\n"), 0)

    def test_request_line(self) -> None:
        """The request line is checked as soon as it is complete."""
        self.assertEqual(self.code_of(b"GET /\r", b"\n"), 400)
        self.assertEqual(self.code_of(b"GET / HTTP/1.2\r\nHost"), 505)

    def test_too_long(self) -> None:
        """A head is rejected when it exceeds the limit, before it is complete."""
        self.assertEqual(self.code_of(b"GET /", b"a" * 1020), 414)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r\n", b"a" * 1020), 431)
        self.assertEqual(self.code_of(b"GET / HTTP/1.1\r\n", b"a" * 1000), 0)
