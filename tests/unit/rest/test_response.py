"""HTTP responses as bytes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import datetimeToString

from unixsvc.rest.response import (
    BARE,
    JSON,
    DateHeader,
    Response,
    encode_head,
    encode_response,
    encode_stream_head,
    header_pairs,
)


class DateHeaderTests(SynchronousTestCase):
    def test_format(self) -> None:
        """The date has the format of RFC 9110, as in twisted.web."""
        self.assertEqual(DateHeader(lambda: 784111777.9).line(), b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n")
        for seconds in (1.0, 951782400.0, 1796000000.5):
            expected = b"Date: %b\r\n" % datetimeToString(int(seconds))
            self.assertEqual(DateHeader(lambda now=seconds: now).line(), expected)  # type: ignore[misc]

    def test_changes(self) -> None:
        """The date changes with the second."""
        now = 10.0
        date = DateHeader(lambda: now)
        first = date.line()
        now = 10.9
        self.assertEqual(date.line(), first)
        now = 11.0
        self.assertNotEqual(date.line(), first)


class EncodeTests(SynchronousTestCase):
    def test_response(self) -> None:
        """A response has its status line, its headers in their order, Date, and its body."""
        response = Response(200, JSON, b'Content-Length: 2\r\nETag: "a"\r\n', b"{}")
        data = encode_response(response, close=False)
        head, _, body = data.partition(b"\r\n\r\n")
        names = [line.partition(b":")[0] for line in head.split(b"\r\n")]
        self.assertEqual((names[0], body), (b"HTTP/1.1 200 OK", b"{}"))
        policies = [b"X-Content-Type-Options", b"Referrer-Policy", b"Content-Security-Policy"]
        own = [b"Content-Length", b"ETag"]
        self.assertEqual(names[1:], [b"Content-Type", *policies, b"Date", *own])
        pairs = header_pairs(response.kind.block + response.headers)
        self.assertEqual([name for name, _ in pairs], [b"Content-Type", *policies, *own])
        self.assertEqual(pairs[-1], (b"ETag", b'"a"'))

    def test_stream_head(self) -> None:
        """A response of unknown length is chunked, except with HTTP/1.0, which ends it by closing."""
        response = Response(200, JSON, b"X-A: b\r\n")
        head = encode_stream_head(response, b"HTTP/1.1", close=False)
        self.assertTrue(head.endswith(b"\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n"))
        head = encode_stream_head(response, b"HTTP/1.0", close=True)
        self.assertTrue(head.endswith(b"\r\nX-A: b\r\nConnection: close\r\n\r\n"))

    def test_close(self) -> None:
        """The last response of a connection has Connection: close; the version is that of the request."""
        data = encode_response(Response(204, BARE, b""), b"HTTP/1.0", close=True)
        self.assertTrue(data.startswith(b"HTTP/1.0 204 No Content\r\n"))
        self.assertTrue(data.endswith(b"\r\nConnection: close\r\n\r\n"))

    def test_reasons(self) -> None:
        """Reason phrases are those of RFC 9110; a code without one has a phrase too."""
        for code, line in (
            (413, b"HTTP/1.1 413 Content Too Large\r\n"),
            (422, b"HTTP/1.1 422 Unprocessable Content\r\n"),
            (499, b"HTTP/1.1 499 Client Closed Request\r\n"),
            (599, b"HTTP/1.1 599 Unknown\r\n"),
        ):
            self.assertTrue(encode_response(Response(code, BARE, b""), close=False).startswith(line))

    def test_head(self) -> None:
        """A head from twisted.web keeps its headers; Date is added only if it is missing."""
        headers = [(b"Content-Length", [b"0"]), (b"Set-Cookie", [b"a", b"b"])]
        head = encode_head(b"HTTP/1.1", b"200", b"Fine", headers, close=True)
        lines = head.split(b"\r\n")
        self.assertEqual(lines[0], b"HTTP/1.1 200 Fine")
        self.assertEqual(lines[1:4], [b"Content-Length: 0", b"Set-Cookie: a", b"Set-Cookie: b"])
        self.assertEqual((lines[4][:6], lines[5:]), (b"Date: ", [b"Connection: close", b"", b""]))
        dated = encode_head(b"HTTP/1.1", b"200", b"OK", [(b"Date", [b"today"])], close=False)
        self.assertEqual(dated, b"HTTP/1.1 200 OK\r\nDate: today\r\n\r\n")
