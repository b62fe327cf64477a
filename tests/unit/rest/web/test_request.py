"""Requests as Klein routes of an application see them."""

from __future__ import annotations

from typing import Any

from klein import Klein
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_connection import ServerHarness, raw, responses_in

FORM = "Content-Type: application/x-www-form-urlencoded; charset=utf-8"


class RequestTests(SynchronousTestCase):
    """The request object."""

    def setUp(self) -> None:
        """Start a server."""
        self.harness = ServerHarness()

    def request(self, line: str, *headers: str, body: bytes = b"") -> Any:
        """A request that is pending in the gateway."""
        if body:
            headers += (f"Content-Length: {len(body)}",)
        self.harness.send(raw(line, *headers, body=body))
        return self.harness.gateway.requests[-1]

    def test_attributes(self) -> None:
        """A request has the attributes of twisted.web."""
        request = self.request("PUT /wait?a=b HTTP/1.1", "X-A: b", body=b"abc")
        self.assertEqual((request.method, request.uri, request.path), (b"PUT", b"/wait?a=b", b"/wait"))
        self.assertEqual((request.clientproto, request.getHeader("x-a")), (b"HTTP/1.1", "b"))
        self.assertEqual((request.getRequestHostname(), request.isSecure()), (b"x", False))
        self.assertIs(request.site, self.harness.site)
        request.content.seek(0)
        self.assertEqual(request.content.read(), b"abc")

    def test_query(self) -> None:
        """``args`` has the values of the query, empty ones too."""
        request = self.request("GET /wait?a=1&a=%32&b= HTTP/1.1")
        self.assertEqual(request.args, {b"a": [b"1", b"2"], b"b": [b""]})

    def test_form(self) -> None:
        """With POST, ``args`` has the values of an urlencoded form, and of no other body."""
        request = self.request("POST /wait?a=1 HTTP/1.1", FORM, body=b"b=2")
        self.assertEqual(request.args, {b"a": [b"1"], b"b": [b"2"]})
        request = self.request("POST /wait HTTP/1.1", "Content-Type: text/plain", body=b"b=2")
        self.assertEqual(request.args, {})
        request = self.request("PUT /wait HTTP/1.1", FORM, body=b"b=2")
        self.assertEqual(request.args, {})

    def test_segments(self) -> None:
        """``postpath`` has the decoded segments of the path, ``prepath`` is empty; both can be set."""
        request = self.request("GET /wait HTTP/1.1")
        request.path = b"/a%20b/c/"
        self.assertEqual((request.prepath, request.postpath), ([], [b"a b", b"c", b""]))
        request.prepath.append(request.postpath.pop(0))
        request.postpath = request.postpath[1:]
        self.assertEqual((request.prepath, request.postpath), ([b"a b"], [b""]))

    def test_cookies(self) -> None:
        """Cookies are parsed."""
        self.assertEqual(self.request("GET /wait HTTP/1.1", "Cookie: a=b; c=d").getCookie(b"c"), b"d")
        self.assertIsNone(self.request("GET /wait HTTP/1.1").getCookie(b"c"))

    def test_at_end(self) -> None:
        """A function is called once at the end of the response, or when the client has disconnected."""
        ended: list[bool] = []
        finished, lost = self.request("GET /wait HTTP/1.1"), self.request("GET /wait HTTP/1.1")
        for request in (finished, lost):
            request.call_at_end(ended.append)
        finished.write(b"some")
        self.assertEqual(ended, [])
        finished.finish()
        finished.finish()  # twisted.web warns
        self.assertEqual((len(self.flushWarnings()), ended), (1, [False]))
        lost.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(ended, [False, True])
        self.assertRaises(RuntimeError, lost.finish)
        self.assertEqual(ended, [False, True])

    def test_key(self) -> None:
        """Requests are keys of dicts, each for itself."""
        first, second = self.request("GET /wait HTTP/1.1"), self.request("GET /wait HTTP/1.1")
        self.assertEqual({first: 1, second: 2}, {second: 2, first: 1})

    def test_klein(self) -> None:
        """Klein dispatches such a request, and its response is sent."""
        app = Klein()

        @app.route("/hello/<name>", methods=["POST"])
        def hello(request: Any, name: str) -> str:
            return f"{name} {request.args[b'a'][0].decode()}"

        self.harness.gateway.resource = app.resource()
        transport = self.harness.send(raw("POST /hello/you%20there?a=b HTTP/1.1"))
        self.assertIn(b" 200 OK\r\n", transport.value())
        self.assertIn(b"\r\nyou there b\r\n", transport.value())

    def test_klein_fails(self) -> None:
        """An exception in Klein is 500 without details."""
        app = Klein()

        @app.route("/")
        def fail(request: Any) -> str:
            raise RuntimeError("a secret")

        self.harness.gateway.resource = app.resource()
        (response,) = responses_in(self.harness.send(raw()).value())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((response.code, response.headers["Content-Type"]), (500, "application/problem+json"))
        self.assertNotIn(b"secret", response.body)

    def test_fails_after_start(self) -> None:
        """If a response fails after its start, the connection is aborted."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        request = self.harness.gateway.pending.pop()
        request.write(b"a")
        request.processingFailed(Failure(RuntimeError("a secret")))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(transport.closed, "abort")
