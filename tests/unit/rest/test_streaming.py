from typing import Any

import msgspec
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.server import Site

from tests.unit.rest.http_requests import RawClient
from tests.unit.rest.stream_connection import EVENTS, LAST, StreamTestCase, body_of
from unixsvc.errors import NotFound


class FormsTests(StreamTestCase):
    def test_lines(self) -> None:
        """A stream is JSON, line by line, and ends as chunks do; nobody keeps it."""
        answer = self.client.request("GET", "/some")
        for line in (
            b"HTTP/1.1 200 OK",
            b"Content-Type: application/jsonl",
            b"Cache-Control: no-store",
            b"Vary: Accept",
            b"X-Content-Type-Options: nosniff",
            b"X-Accel-Buffering: no",
        ):
            self.assertIn(line + b"\r\n", answer)
        self.assertEqual(body_of(answer), b"0\n1\n2\n.")
        self.assertEqual(self.harness.gateway.pending, 0)
        self.assertEqual(self.harness.stats.snapshot().codes, {200: 1})

    def test_events(self) -> None:
        """For a client that wants them, these are events."""
        answer = self.client.request("GET", "/some", EVENTS)
        self.assertIn(b"Content-Type: text/event-stream\r\n", answer)
        self.assertEqual(body_of(answer), b"data: 0\n\ndata: 1\n\ndata: 2\n\n.")

    def test_line_ends(self) -> None:
        """Line ends in JSON do not end an event."""
        self.assertEqual(body_of(self.client.request("GET", "/raw", EVENTS)), b'data: {  "a": 1}\n\n.')

    def test_empty(self) -> None:
        """A stream of nothing is one."""
        answer = self.client.request("GET", "/some?n=0")
        self.assertIn(b" 200 ", answer)
        self.assertEqual(body_of(answer), b".")

    def test_never_compressed(self) -> None:
        """Items are not held back to be compressed."""
        self.assertNotIn(b"Content-Encoding", self.client.request("GET", "/endless", "Accept-Encoding: gzip"))

    def test_goes_on(self) -> None:
        """After a stream, the connection has the next request."""
        self.client.request("GET", "/some")
        self.assertIn(b" 200 ", self.client.request("GET", "/some"))

    def test_head(self) -> None:
        """HEAD shows the head, and has no item made."""
        answer = self.client.request("HEAD", "/late", EVENTS)
        self.assertIn(b" 200 OK\r\nContent-Type: text/event-stream\r\n", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\n"))
        self.assertEqual((self.harness.gateway.pending, self.harness.handle.inflight), (0, 0))
        self.assertIn(b" 200 ", self.client.request("GET", "/some"))


class EndsTests(StreamTestCase):
    def test_before_the_first(self) -> None:
        """What fails before its first item is a failure as any other, with its own status."""
        for accept in ("Accept: */*", EVENTS):
            answer = self.client.request("GET", "/fail?n=0", accept)
            self.assertIn(b" 409 ", answer)
            self.assertIn(b"Content-Type: application/problem+json", answer)

    def test_late_failure(self) -> None:
        """So it is for one that waited, as long as nothing was sent."""
        self.assertEqual(self.client.request("GET", "/late"), b"")
        self.items.go(NotFound("no such thing"))
        self.assertIn(b" 404 ", self.client.received())
        self.assertEqual(self.harness.gateway.pending, 0)

    def test_lines_that_fail(self) -> None:
        """Lines end with the problem, and are broken off: their end is not that of something complete."""
        answer = self.client.request("GET", "/fail")
        *items, problem, rest = body_of(answer).split(b"\n")
        self.assertEqual((items, rest), ([b"0", b"1"], b""))
        found = msgspec.json.decode(problem)
        self.assertEqual((found["status"], found["detail"]), (409, "no more"))
        self.assertFalse(answer.endswith(LAST))
        self.assertEqual(self.client.transport.closed, "lose")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.harness.gateway.pending, 0)

    def test_events_that_fail(self) -> None:
        """Events end with one that is an error, and has the problem."""
        body = body_of(self.client.request("GET", "/fail", EVENTS))
        start, _, problem = body.partition(b"event: error\ndata: ")
        self.assertEqual(start, b"data: 0\n\ndata: 1\n\n")
        self.assertEqual(msgspec.json.decode(problem.removesuffix(b"\n\n."))["status"], 409)
        self.assertEqual(self.client.transport.closed, "")

    def test_crash(self) -> None:
        """Nothing of an exception is sent."""
        answer = self.client.request("GET", "/crash", EVENTS)
        self.assertIn(b'"status":500', answer)
        self.assertNotIn(b"secret", answer)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_given_up(self) -> None:
        """When all is given up, a stream ends with 503."""
        self.client.request("GET", "/late", EVENTS)
        self.items.go()
        self.assertEqual(body_of(self.client.received()), b"data: 1\n\n")
        self.harness.gateway.abort()
        self.assertIn(
            b'event: error\ndata: {"type":"about:blank","title":"Service unavailable"', self.client.received()
        )
        self.assertEqual((self.items.ended is None, self.harness.gateway.pending), (False, 0))

    def test_callers_time(self) -> None:
        """The caller's time ends it."""
        self.client.request("GET", "/late", EVENTS, "X-Request-Timeout: 2")
        self.clock.advance(1)
        self.client.received()
        self.clock.advance(1)
        self.assertIn(b'"status":504', self.client.received())


class FlowTests(StreamTestCase):
    def test_slow(self) -> None:
        """A client that does not take what is sent stops the generator; when it has, that goes on."""
        self.client.transport.slow = True
        self.client.request("GET", "/endless")
        given = self.items.given
        self.clock.pump([0] * 9)
        self.assertEqual(self.items.given, given)
        self.client.channel.resumeProducing()
        self.clock.pump([0])
        self.assertGreater(self.items.given, given)

    def test_slow_before(self) -> None:
        """A client that has not taken an earlier answer gets no stream on top of it, under any site."""
        client = RawClient(Site(self.harness.gateway, reactor=self.clock))
        client.channel._channel.pauseProducing()
        client.request("GET", "/endless")
        self.clock.pump([0] * 9)
        self.assertEqual(self.items.given, 0)
        transport: Any = client.transport
        transport.slow = True  # else the clock would go on for ever
        transport.writeSequence = lambda pieces: transport.write(b"".join(pieces))
        client.channel._channel.resumeProducing()
        self.clock.pump([0])
        self.assertGreater(self.items.given, 0)

    def test_gone_while_waiting(self) -> None:
        """A client that goes away stops a generator where it waits."""
        self.client.request("GET", "/late")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        error: Any = self.items.ended
        self.assertEqual((error.code, self.harness.gateway.pending), (499, 0))
        self.assertEqual(self.client.received(), b"")

    def test_gone_between(self) -> None:
        """Or it is closed where it gave its last item."""
        self.client.transport.slow = True
        self.client.request("GET", "/endless")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(self.items.ended, GeneratorExit)
        self.assertEqual((self.harness.gateway.pending, self.harness.handle.inflight), (0, 0))

    def test_no_timers_left(self) -> None:
        """What is over has no timers."""
        for path in ("/some", "/fail?n=0", "/fail"):
            self.client.request("GET", path, EVENTS)
        left = [
            each for each in self.clock.getDelayedCalls() if each is not self.harness.connections._checks.call
        ]
        self.assertEqual(left, [])


class SilenceTests(StreamTestCase):
    def test_head_first(self) -> None:
        """Who waits for a first item sees after a second that there is something."""
        self.assertEqual(self.client.request("GET", "/late"), b"")
        self.clock.advance(1)
        self.assertIn(b" 200 OK", self.client.received())
        self.items.go()
        self.assertEqual(body_of(self.client.received()), b"1\n")

    def test_events_kept_alive(self) -> None:
        """Where there is nothing to be sent for 15 seconds, that is said."""
        self.client.request("GET", "/late", EVENTS)
        self.items.go()
        self.client.received()
        self.clock.advance(14)
        self.assertEqual(self.client.received(), b"")
        self.clock.advance(1)
        self.assertEqual(body_of(self.client.received()), b":\n\n")
        self.clock.advance(14)
        self.items.go()
        self.assertEqual(body_of(self.client.received()), b"data: 2\n\n")
        self.clock.advance(1)
        self.assertEqual(self.client.received(), b"")

    def test_not_to_who_takes_nothing(self) -> None:
        """To a client that takes nothing, nothing is added."""
        self.client.request("GET", "/late", EVENTS)
        self.items.go()
        self.client.channel.pauseProducing()
        self.client.received()
        self.clock.advance(15)
        self.assertEqual(self.client.received(), b"")

    def test_lines_are_silent(self) -> None:
        """Lines have nothing that could be said in between."""
        self.client.request("GET", "/late")
        self.items.go()
        self.client.received()
        self.clock.pump([15, 10])
        self.assertEqual(self.client.received(), b"")
