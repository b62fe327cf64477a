"""What one client gets for the bytes it sends."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.abuse import HEADS, LIMIT
from tests.unit.rest.http_connection import HTTP, LIMITS, ServerHarness, raw, responses_in
from unixsvc.config.http import Cors, Http

POST = "POST / HTTP/1.1"


class ProtocolTestCase(SynchronousTestCase):
    """Has a front."""

    def setUp(self) -> None:
        """Nobody is connected."""
        self.harness = ServerHarness()

    def codes(self, data: bytes) -> list[int]:
        """The codes of the answers to these bytes, from a new client."""
        return [each.code for each in responses_in(self.harness.send(data).value())]


class AnswerTests(ProtocolTestCase):
    """Requests that are served."""

    def test_answer(self) -> None:
        """It comes with a date, without the server's name, in one piece, and the connection stays open."""
        transport = self.harness.send(raw("GET /a?b=c HTTP/1.1"))
        (answer,) = responses_in(transport.value())
        self.assertEqual((answer.code, answer.body), (200, b"ok /a"))
        self.assertEqual(sorted(answer.headers), ["Content-Length", "Content-Type", "Date"])
        self.assertEqual((transport.writes, transport.closed), (1, ""))

    def test_bodies(self) -> None:
        """A body is there whole, by its length or in chunks."""
        self.harness.send(raw(POST, "Content-Length: 3", body=b"abc"))
        self.harness.send_bytewise(raw(POST, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"))
        self.assertEqual(self.harness.gateway.bodies, [b"abc", b"abc"])

    def test_close(self) -> None:
        """A client that says so, or speaks HTTP/1.0, is told that the connection is closed, and it is."""
        for line, header in (("GET / HTTP/1.1", "Connection: close"), ("GET / HTTP/1.0", "A: b")):
            transport = self.harness.send(raw(line, header))
            (answer,) = responses_in(transport.value())
            self.assertEqual((answer.headers["Connection"], transport.closed), ("close", "lose"))

    def test_closed_by_the_answer(self) -> None:
        """An answer that says that the connection is closed is the last."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        self.harness.gateway.pending[0].setHeader(b"Connection", b"close")
        self.harness.gateway.answer()
        self.assertEqual(transport.value().count(b"Connection: close"), 1)
        self.assertEqual(transport.closed, "lose")

    def test_own_date(self) -> None:
        """An answer that tells the time itself does not do so twice."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        self.harness.gateway.pending[0].setHeader(b"Date", b"today")
        self.harness.gateway.answer()
        self.assertEqual(transport.value().count(b"\r\nDate: "), 1)

    def test_after_the_last(self) -> None:
        """What follows the last request is not served, and the answer is not lost for it."""
        transport = self.harness.send(raw("GET / HTTP/1.1", "Connection: close") + raw())
        self.assertEqual(len(responses_in(transport.value())), 1)
        self.assertEqual(transport.closed, "half")

    def test_head(self) -> None:
        """To HEAD, a head is sent, though nothing follows that would take it along."""
        transport = self.harness.send(raw("HEAD / HTTP/1.1"))
        self.assertIn(b"Content-Length: 4\r\n", transport.value())
        self.assertTrue(transport.value().endswith(b"\r\n\r\n"))

    def test_star(self) -> None:
        """OPTIONS for everything has no path, so it is answered here."""
        self.assertEqual(self.codes(raw("OPTIONS * HTTP/1.1")), [204])
        self.assertEqual(self.harness.gateway.requests, [])

    def test_piece_by_piece(self) -> None:
        """The head of a stream is sent when its sender says so, and the pieces as chunks."""
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
        """A gateway that fails is 500, which tells nothing, and the connection goes on."""
        transport = self.harness.send(raw("GET /fail HTTP/1.1") + raw())
        failed, after = responses_in(transport.value())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual((failed.code, after.code), (500, 200))
        self.assertEqual(failed.headers["Content-Type"], "application/problem+json")
        self.assertNotIn(b"secret", failed.body)

    def test_client_goes(self) -> None:
        """A request whose client has gone is told."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        told = self.harness.gateway.pending[0].notifyFinish()
        transport.lost()
        self.failureResultOf(told, ConnectionError)


class RefusalTests(ProtocolTestCase):
    """Requests that are not."""

    def test_refused(self) -> None:
        """A head that is not served is a problem that tells why, and the connection ends."""
        self.harness = ServerHarness(msgspec.structs.replace(HTTP, max_header_bytes=LIMIT))
        for each in HEADS:
            transport = self.harness.send(each.sent)
            (answer,) = responses_in(transport.value())
            self.assertEqual((each.why, answer.code, transport.closed), (each.why, each.code, "half"))
            self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
            self.assertEqual(answer.headers["Connection"], "close")
            self.assertNotIn("Server", answer.headers)
            told = msgspec.json.decode(answer.body)
            self.assertEqual(told["status"], each.code)
            self.assertEqual(told["instance"], f"urn:unixsvc:request:{answer.headers['X-Request-Id']}")
            transport.lost()
        self.assertEqual(self.harness.gateway.requests, [])

    def test_smuggling(self) -> None:
        """What follows a request that is refused is no request."""
        data = raw(POST, "Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
        self.assertEqual(self.codes(data + raw()), [400])
        self.assertEqual(self.codes(raw() + raw(host="") + raw()), [200, 400])

    def test_goes_on_sending(self) -> None:
        """What a client sends on after it was refused is dropped, for two seconds."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw(POST, "Content-Length: 101"))
        channel.dataReceived(b"a" * 50 + raw())
        self.harness.wait(1)
        self.assertEqual((len(responses_in(transport.value())), transport.closed), (1, "half"))
        self.assertEqual(channel._parser.buffer, b"")
        self.harness.wait(2)
        self.assertEqual(transport.closed, "abort")

    def test_too_large(self) -> None:
        """A body that is too large is 413 with the limit; in chunks, as soon as that shows."""
        for data in (
            raw(POST, "Content-Length: 101"),
            raw(POST, "Transfer-Encoding: chunked", body=b"60\r\n" + b"a" * 96 + b"\r\n60\r\n"),
        ):
            (answer,) = responses_in(self.harness.send(data).value())
            limit = msgspec.json.decode(answer.body)["max_message_bytes"]
            self.assertEqual((answer.code, limit), (413, LIMITS.max_message_bytes))

    def test_words(self) -> None:
        """The words beside the code are those of any other answer."""
        for data, line in (
            (raw(POST, "Content-Length: 101"), b"HTTP/1.1 413 Content Too Large\r\n"),
            (raw(host=""), b"HTTP/1.1 400 Bad Request\r\n"),
        ):
            self.assertTrue(self.harness.send(data).value().startswith(line))

    def test_known(self) -> None:
        """Once there is a head, the answer has the request's own id, and what CORS wants."""
        harness = ServerHarness(Http(cors=Cors(origins=("https://shop.test",))))
        said = "X-Request-Id: r1", "Origin: https://shop.test"
        for header, body in (
            ("Content-Length: 101", b""), ("Content-Length: 9", b"a"),
            ("Transfer-Encoding: chunked", b"101\r\n"), ("Transfer-Encoding: chunked", b"x"),
        ):  # fmt: skip
            transport = harness.send(raw(POST, header, *said, body=body))
            harness.wait(6)
            (answer,) = responses_in(transport.value())
            self.assertGreaterEqual(answer.code, 400)
            self.assertEqual(answer.headers["X-Request-Id"], "r1")
            self.assertEqual(msgspec.json.decode(answer.body)["instance"], "urn:unixsvc:request:r1")
            self.assertEqual(answer.headers["Access-Control-Allow-Origin"], "https://shop.test")
            self.assertEqual((answer.headers["Vary"], answer.headers["Connection"]), ("Origin", "close"))

    def test_not_known(self) -> None:
        """What is refused later has nothing of an earlier request."""
        transport = self.harness.send(raw("GET / HTTP/1.1", "X-Request-Id: r1") + raw(host=""))
        self.assertNotEqual(responses_in(transport.value())[1].headers["X-Request-Id"], "r1")


class ContinueTests(ProtocolTestCase):
    """``Expect: 100-continue``."""

    def test_continue(self) -> None:
        """The body is asked for once, and then served."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw(POST, "Content-Length: 3", "Expect: 100-continue"))
        self.assertEqual(transport.value(), b"HTTP/1.1 100 Continue\r\n\r\n")
        channel.dataReceived(b"a")
        channel.dataReceived(b"bc" + raw(POST, "Content-Length: 1", "Expect: 100-continue"))
        codes = [each.code for each in responses_in(transport.value())]
        self.assertEqual((codes, self.harness.gateway.bodies), ([100, 200, 100], [b"abc"]))

    def test_once(self) -> None:
        """It is asked for once, though nothing may be here of it again; and not if a part is."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw(POST, "Transfer-Encoding: chunked", "Expect: 100-continue"))
        channel.dataReceived(b"1\r\na\r\n")
        self.assertEqual(transport.value().count(b"100 Continue"), 1)
        transport = self.harness.send(raw(POST, "Content-Length: 3", "Expect: 100-continue", body=b"a"))
        self.assertEqual(transport.value(), b"")

    def test_not(self) -> None:
        """It is not asked for if it is here, or empty, or too large, or the client is of HTTP/1.0."""
        expects = "Expect: 100-continue"
        self.assertEqual(self.codes(raw(POST, expects, "Content-Length: 1", body=b"a")), [200])
        self.assertEqual(self.codes(raw(POST, expects)), [200])
        self.assertEqual(self.codes(raw(POST, expects, "Content-Length: 101")), [413])
        self.assertEqual(self.codes(raw("POST / HTTP/1.0", expects, "Content-Length: 1", body=b"a")), [200])


class PipeliningTests(ProtocolTestCase):
    """Requests that come before the last is answered."""

    def test_order(self) -> None:
        """They are served one after the other."""
        transport = self.harness.send(raw("GET /wait HTTP/1.1") + raw("GET /a HTTP/1.1"))
        self.assertEqual((transport.value(), len(self.harness.gateway.requests)), (b"", 1))
        self.harness.gateway.answer()
        self.assertEqual([each.body for each in responses_in(transport.value())], [b"waited", b"ok /a"])

    def test_held(self) -> None:
        """Not more than a few are read while one is answered; then the rest is."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        self.assertTrue(transport.reading)
        channel.dataReceived(raw() * 700)
        self.assertFalse(transport.reading)
        self.harness.gateway.answer()
        self.harness.clock.pump([0] * 20)
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (701, True))

    def test_turns(self) -> None:
        """One client's requests do not keep the others from having their turn."""
        transport = self.harness.send(raw() * 100)
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (64, False))
        self.harness.clock.advance(0)
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (100, True))

    def test_slow_client(self) -> None:
        """Who does not take answers is served no further until it does."""
        channel, transport = self.harness.connect()
        transport.slow = True
        channel.dataReceived(raw() * 3)
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (1, False))
        transport.slow = False
        channel.resumeProducing()
        self.assertEqual((len(responses_in(transport.value())), transport.reading), (3, True))
