"""The responses to the bytes that a client sends."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.abuse import HEADS, LIMIT
from tests.unit.rest.http_connection import HTTP, LIMITS, ServerHarness, raw, responses_in
from unixsvc.config.http import Cors, Http

POST = "POST / HTTP/1.1"


class ProtocolTestCase(SynchronousTestCase):
    """A test case with a server."""

    def setUp(self) -> None:
        """Start a server without connections."""
        self.harness = ServerHarness()

    def codes(self, data: bytes) -> list[int]:
        """The status codes of the responses to bytes from a new client."""
        return [each.code for each in responses_in(self.harness.send(data).value())]


class ResponseTests(ProtocolTestCase):
    """Requests that are accepted."""

    def test_response(self) -> None:
        """A response has a Date and no Server, is one write, and the connection stays open."""
        transport = self.harness.send(raw("GET /a?b=c HTTP/1.1"))
        (response,) = responses_in(transport.value())
        self.assertEqual((response.code, response.body), (200, b"ok /a"))
        self.assertEqual(sorted(response.headers), ["Content-Length", "Content-Type", "Date"])
        self.assertEqual((transport.writes, transport.closed), (1, ""))

    def test_bodies(self) -> None:
        """A body is complete, with a length or in chunks."""
        self.harness.send(raw(POST, "Content-Length: 3", body=b"abc"))
        self.harness.send_bytewise(raw(POST, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"))
        self.assertEqual(self.harness.gateway.bodies, [b"abc", b"abc"])

    def test_close(self) -> None:
        """After Connection: close or HTTP/1.0 the connection is closed, and the response says so."""
        for line, header in (("GET / HTTP/1.1", "Connection: close"), ("GET / HTTP/1.0", "A: b")):
            transport = self.harness.send(raw(line, header))
            (response,) = responses_in(transport.value())
            self.assertEqual((response.headers["Connection"], transport.closed), ("close", "lose"))

    def test_close_from_gateway(self) -> None:
        """A response with Connection: close from the gateway is the last one."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        self.harness.gateway.pending[0].setHeader(b"Connection", b"close")
        self.harness.gateway.respond()
        self.assertEqual(transport.value().count(b"Connection: close"), 1)
        self.assertEqual(transport.closed, "lose")

    def test_own_date(self) -> None:
        """A Date from the gateway is not sent twice."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        self.harness.gateway.pending[0].setHeader(b"Date", b"today")
        self.harness.gateway.respond()
        self.assertEqual(transport.value().count(b"\r\nDate: "), 1)

    def test_request_after_last(self) -> None:
        """A request after the last one is not served, and the response is not lost by a reset."""
        transport = self.harness.send(raw("GET / HTTP/1.1", "Connection: close") + raw())
        self.assertEqual(len(responses_in(transport.value())), 1)
        self.assertEqual(transport.closed, "half")

    def test_head(self) -> None:
        """The response to HEAD has a head and no body."""
        transport = self.harness.send(raw("HEAD / HTTP/1.1"))
        self.assertIn(b"Content-Length: 4\r\n", transport.value())
        self.assertTrue(transport.value().endswith(b"\r\n\r\n"))

    def test_stream(self) -> None:
        """The head of a stream is sent with its first write, and each write is a chunk."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        request = self.harness.gateway.pending.pop()
        request.write(b"")
        self.assertIn(b"Transfer-Encoding: chunked\r\n", transport.value())
        transport.clear()
        request.write(b"ab")
        request.finish()
        self.assertEqual(transport.value(), b"2\r\nab\r\n0\r\n\r\n")

    def test_failure(self) -> None:
        """An exception of the gateway is 500 without details, and the connection stays open."""
        transport = self.harness.send(raw("GET /fail HTTP/1.1") + raw())
        failed, after = responses_in(transport.value())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((failed.code, after.code), (500, 200))
        self.assertEqual(failed.headers["Content-Type"], "application/problem+json")
        self.assertNotIn(b"secret", failed.body)

    def test_disconnect(self) -> None:
        """A disconnect fires the request's notifyFinish."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        finished = self.harness.gateway.pending[0].notifyFinish()
        transport.lose()
        self.failureResultOf(finished, ConnectionError)


class RejectedTests(ProtocolTestCase):
    """Requests that are rejected."""

    def test_rejected(self) -> None:
        """A malformed head gets a problem response, and the connection is closed."""
        self.harness = ServerHarness(msgspec.structs.replace(HTTP, max_header_bytes=LIMIT))
        for each in HEADS:
            transport = self.harness.send(each.sent)
            (response,) = responses_in(transport.value())
            self.assertEqual((each.why, response.code, transport.closed), (each.why, each.code, "half"))
            self.assertEqual(response.headers["Content-Type"], "application/problem+json")
            self.assertEqual(response.headers["Connection"], "close")
            self.assertNotIn("Server", response.headers)
            problem = msgspec.json.decode(response.body)
            self.assertEqual(problem["status"], each.code)
            self.assertEqual(problem["instance"], f"urn:unixsvc:request:{response.headers['X-Request-Id']}")
            transport.lose()
        self.assertEqual(self.harness.gateway.requests, [])

    def test_smuggling(self) -> None:
        """Bytes after a request that is rejected are not taken for a request."""
        data = raw(POST, "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
        self.assertEqual(self.codes(data + raw()), [400])
        self.assertEqual(self.codes(raw() + raw(host="") + raw()), [200, 400])

    def test_lingers(self) -> None:
        """Bytes that a client sends after its request was rejected are dropped for two seconds."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw(POST, "Content-Length: 101"))
        channel.dataReceived(b"a" * 50 + raw())
        self.harness.wait(1)
        self.assertEqual((len(responses_in(transport.value())), transport.closed), (1, "half"))
        self.assertEqual(channel._parser.buffer, b"")
        self.harness.wait(2)
        self.assertEqual(transport.closed, "abort")

    def test_too_large(self) -> None:
        """A body over the limit is 413 with the limit, in chunks as soon as their sizes exceed it."""
        for data in (
            raw(POST, "Content-Length: 101"),
            raw(POST, "Transfer-Encoding: chunked", body=b"60\r\n" + b"a" * 96 + b"\r\n60\r\n"),
        ):
            (response,) = responses_in(self.harness.send(data).value())
            limit = msgspec.json.decode(response.body)["max_message_bytes"]
            self.assertEqual((response.code, limit), (413, LIMITS.max_message_bytes))

    def test_reason(self) -> None:
        """The reason phrases are those of other responses."""
        for data, line in (
            (raw(POST, "Content-Length: 101"), b"HTTP/1.1 413 Content Too Large\r\n"),
            (raw(host=""), b"HTTP/1.1 400 Bad Request\r\n"),
        ):
            self.assertTrue(self.harness.send(data).value().startswith(line))

    def test_context(self) -> None:
        """If the head was parsed, the response has the request's X-Request-Id and CORS headers."""
        harness = ServerHarness(Http(cors=Cors(origins=("https://shop.test",))))
        headers = "X-Request-Id: r1", "Origin: https://shop.test"
        for header, body in (
            ("Content-Length: 101", b""), ("Content-Length: 9", b"a"),
            ("Transfer-Encoding: chunked", b"101\r\n"), ("Transfer-Encoding: chunked", b"x"),
        ):  # fmt: skip
            transport = harness.send(raw(POST, header, *headers, body=body))
            harness.wait(6)
            (response,) = responses_in(transport.value())
            self.assertGreaterEqual(response.code, 400)
            self.assertEqual(response.headers["X-Request-Id"], "r1")
            self.assertEqual(msgspec.json.decode(response.body)["instance"], "urn:unixsvc:request:r1")
            self.assertEqual(response.headers["Access-Control-Allow-Origin"], "https://shop.test")
            self.assertEqual((response.headers["Vary"], response.headers["Connection"]), ("Origin", "close"))

    def test_no_context(self) -> None:
        """The response to a malformed head has nothing of an earlier request."""
        transport = self.harness.send(raw("GET / HTTP/1.1", "X-Request-Id: r1") + raw(host=""))
        self.assertNotEqual(responses_in(transport.value())[1].headers["X-Request-Id"], "r1")


class ContinueTests(ProtocolTestCase):
    """``Expect: 100-continue``."""

    def test_continue(self) -> None:
        """100 Continue is sent once, before the body is read."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw(POST, "Content-Length: 3", "Expect: 100-continue"))
        self.assertEqual(transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
        channel.dataReceived(b"a")
        channel.dataReceived(b"bc" + raw(POST, "Content-Length: 1", "Expect: 100-continue"))
        codes = [each.code for each in responses_in(transport.value())]
        self.assertEqual((codes, self.harness.gateway.bodies), ([100, 200, 100], [b"abc"]))

    def test_once(self) -> None:
        """100 Continue is not repeated while chunks arrive, and not sent if a part of the body is there."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw(POST, "Transfer-Encoding: chunked", "Expect: 100-continue"))
        channel.dataReceived(b"1\r\na\r\n")
        self.assertEqual(transport.value().count(b"100 Continue"), 1)
        transport = self.harness.send(raw(POST, "Content-Length: 3", "Expect: 100-continue", body=b"a"))
        self.assertEqual(transport.value(), b"")

    def test_no_continue(self) -> None:
        """100 Continue is not sent for a body that is complete, empty or too large, or to HTTP/1.0."""
        expects = "Expect: 100-continue"
        self.assertEqual(self.codes(raw(POST, expects, "Content-Length: 1", body=b"a")), [200])
        self.assertEqual(self.codes(raw(POST, expects)), [200])
        self.assertEqual(self.codes(raw(POST, expects, "Content-Length: 101")), [413])
        self.assertEqual(self.codes(raw("POST / HTTP/1.0", expects, "Content-Length: 1", body=b"a")), [200])


class PipeliningTests(ProtocolTestCase):
    """Requests that arrive before the last one is answered (pipelining)."""

    def test_order(self) -> None:
        """Responses have the order of the requests."""
        transport = self.harness.send(raw("GET /wait HTTP/1.1") + raw("GET /a HTTP/1.1"))
        self.assertEqual((transport.value(), len(self.harness.gateway.requests)), (b"", 1))
        self.harness.gateway.respond()
        self.assertEqual([each.body for each in responses_in(transport.value())], [b"waited", b"ok /a"])

    def test_backpressure(self) -> None:
        """Only a few bytes are read while a request is processed; the others later."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        self.assertTrue(transport.reading)
        channel.dataReceived(raw() * 700)
        self.assertFalse(transport.reading)
        self.harness.gateway.respond()
        self.harness.clock.pump([0] * 20)
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (701, True))

    def test_fairness(self) -> None:
        """After 64 requests of one connection the event loop serves others."""
        transport = self.harness.send(raw() * 100)
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (64, False))
        self.harness.clock.advance(0)
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (100, True))

    def test_slow_client(self) -> None:
        """A client that does not read its responses is not served until it does."""
        channel, transport = self.harness.connect()
        transport.slow = True
        channel.dataReceived(raw() * 3)
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (1, False))
        transport.slow = False
        channel.resumeProducing()
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (3, True))
