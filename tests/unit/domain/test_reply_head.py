"""Header fields of applications."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Reply, Request, add_headers
from unixsvc.domain.reply_head import ReplyHead, WrongHeader, check_header


class CheckHeaderTests(SynchronousTestCase):
    def test_accepted(self) -> None:
        """Names that are tokens, with values of visible characters, spaces and tabs."""
        for name, value in (("X-A", "b c"), ("Link", '<a>; rel="next"'), ("x_b", ""), ("X-Name", "Jos\xe9")):
            check_header(name, value)

    def test_injection(self) -> None:
        """No value can end the field, and no name can contain another field."""
        for value in (
            "a\r\nSet-Cookie: b=c",
            "a\nb",
            "a\rb",
            "a\0",
            "a\x0b",
            "\u010a",
            "a\u2028",
            " a",
            "a ",
        ):
            with self.assertRaises(WrongHeader):
                check_header("X-A", value)
        for name in ("", "X A", "X:A", "X\r\nA", "\u010a", "X" * 129):
            with self.assertRaises(WrongHeader):
                check_header(name, "a")

    def test_reserved(self) -> None:
        """The fields that frame a message are the server's, in any case."""
        for name in ("Content-Length", "transfer-encoding", "CONNECTION", "Date", "X-Request-Id", "Upgrade"):
            with self.assertRaises(WrongHeader):
                check_header(name, "1")


class RequestHeaderTests(SynchronousTestCase):
    def test_http(self) -> None:
        """Over HTTP a header is that of the request, whatever the case of its name; the last one counts."""
        request = Request("GET", "/", meta={"x-tenant": "c"}, headers={b"X-Tenant": [b"a", b"b"]})
        self.assertEqual(request.header("x-tenant"), "b")
        self.assertIsNone(request.header("X-Other"))

    def test_socket(self) -> None:
        """Over a socket a header is an entry of meta."""
        self.assertEqual(Request("GET", "/", meta={"x-tenant": "c"}).header("X-Tenant"), "c")

    def test_reply_headers(self) -> None:
        """Headers for the reply are checked, and are added to those that it has."""
        request = Request("GET", "/")
        request.add_reply_header("X-A", "1")
        with self.assertRaises(WrongHeader):
            request.add_reply_header("X-B", "1\r\n")
        reply = Reply(head=ReplyHead(201, (("X-C", "2"),)))
        expected = ReplyHead(201, (("X-C", "2"), ("X-A", "1")))
        self.assertEqual(add_headers(reply, request.reply_headers).head, expected)
        self.assertEqual(add_headers(Reply(), [("X-A", "1")]).head, ReplyHead(headers=(("X-A", "1"),)))
