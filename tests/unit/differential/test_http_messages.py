from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.differential.http_messages import owed, parse_responses

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok"


class ParsingTests(SynchronousTestCase):
    def test_length(self) -> None:
        """A body with Content-Length ends there, and the next response begins."""
        [first, second], left = parse_responses(_OK + _OK, [b"GET", b"GET"])
        self.assertEqual(first, second)
        self.assertEqual((first.code, first.body, first.framing, first.whole), (200, b"ok", "length", True))
        self.assertEqual(first.headers, ((b"Content-Length", b"2"), (b"X-A", b"b")))
        self.assertEqual((first.header(b"x-a"), first.header(b"x-b"), left), (b"b", b"", b""))

    def test_unfinished(self) -> None:
        """An incomplete message is distinguished from a complete one."""
        [response], _ = parse_responses(_OK[:-1], [b"GET"])
        self.assertEqual((response.whole, owed([response])), (False, 0))
        self.assertEqual(parse_responses(_OK[:20], [b"GET"]), ([], _OK[:20]))

    def test_no_body(self) -> None:
        """Responses to HEAD, and those with some codes, have no body, even with Content-Length."""
        head = _OK[:-2]
        empty = b"HTTP/1.1 304 Not Modified\r\n\r\n"
        found, left = parse_responses(head + empty + _OK, [b"HEAD", b"GET", b"GET"])
        self.assertEqual([each.body for each in found], [b"", b"", b"ok"])
        self.assertEqual((owed(found), left), (3, b""))

    def test_interim(self) -> None:
        """100 Continue is not the response to a request."""
        found, _ = parse_responses(b"HTTP/1.1 100 Continue\r\n\r\n" + _OK, [b"POST"])
        self.assertEqual([each.code for each in found], [100, 200])
        self.assertEqual(owed(found), 1)

    def test_chunks(self) -> None:
        """Chunks are joined; a body without the last chunk is incomplete."""
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        [response], left = parse_responses(head + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n" + b"more", [b"GET"])
        self.assertEqual((response.body, response.whole, left), (b"abc", True, b"more"))
        for cut in (b"2\r\nab\r\n", b"2\r\nab\r\n1", b"2\r\na", b"2\r\nab\r\n0\r\n", b"", b"x\r\n"):
            [response], _ = parse_responses(head + cut, [b"GET"])
            self.assertFalse(response.whole, cut)

    def test_until_closed(self) -> None:
        """Without a length, the body ends with the connection."""
        [response], left = parse_responses(b"HTTP/1.0 200 OK\r\n\r\nall\r\n\r\nof it", [b"GET"])
        self.assertEqual((response.body, response.framing, left), (b"all\r\n\r\nof it", "close", b""))

    def test_no_http(self) -> None:
        """Bytes that are not a response are left."""
        self.assertEqual(parse_responses(b"hello\r\n\r\n", []), ([], b"hello\r\n\r\n"))
