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
        """A stream is JSON lines in chunks, and is not cached."""
        response = self.client.request("GET", "/some")
        for line in (
            b"HTTP/1.1 200 OK",
            b"Content-Type: application/jsonl",
            b"Cache-Control: no-store",
            b"Vary: Accept",
            b"X-Content-Type-Options: nosniff",
            b"X-Accel-Buffering: no",
        ):
            self.assertIn(line + b"\r\n", response)
        self.assertEqual(body_of(response), b"0\n1\n2\n.")
        self.assertEqual(self.harness.gateway.pending, 0)
        self.assertEqual(self.harness.stats.snapshot().all.codes, {200: 1})

    def test_events(self) -> None:
        """Clients that accept events get server-sent events."""
        response = self.client.request("GET", "/some", EVENTS)
        self.assertIn(b"Content-Type: text/event-stream\r\n", response)
        self.assertEqual(body_of(response), b"data: 0\n\ndata: 1\n\ndata: 2\n\n.")

    def test_line_ends(self) -> None:
        """Line ends in JSON do not end an event."""
        self.assertEqual(body_of(self.client.request("GET", "/raw", EVENTS)), b'data: {  "a": 1}\n\n.')

    def test_empty(self) -> None:
        """An empty stream has a complete response."""
        response = self.client.request("GET", "/some?n=0")
        self.assertIn(b" 200 ", response)
        self.assertEqual(body_of(response), b".")

    def test_never_compressed(self) -> None:
        """Streams are not compressed, as that would delay items."""
        self.assertNotIn(b"Content-Encoding", self.client.request("GET", "/endless", "Accept-Encoding: gzip"))

    def test_keep_alive(self) -> None:
        """After a stream, the connection serves the next request."""
        self.client.request("GET", "/some")
        self.assertIn(b" 200 ", self.client.request("GET", "/some"))

    def test_head(self) -> None:
        """HEAD gets the head, and no item is made."""
        response = self.client.request("HEAD", "/late", EVENTS)
        self.assertIn(b" 200 OK\r\nContent-Type: text/event-stream\r\n", response)
        self.assertTrue(response.endswith(b"\r\n\r\n"))
        self.assertEqual((self.harness.gateway.pending, self.harness.handle.inflight), (0, 0))
        self.assertIn(b" 200 ", self.client.request("GET", "/some"))


class EndsTests(StreamTestCase):
    def test_fails_before_first_item(self) -> None:
        """A failure before the first item is an ordinary error response."""
        for accept in ("Accept: */*", EVENTS):
            response = self.client.request("GET", "/fail?n=0", accept)
            self.assertIn(b" 409 ", response)
            self.assertIn(b"Content-Type: application/problem+json", response)

    def test_fails_late(self) -> None:
        """So is a failure after waiting, if nothing was sent."""
        self.assertEqual(self.client.request("GET", "/late"), b"")
        self.items.go(NotFound("no such thing"))
        self.assertIn(b" 404 ", self.client.received())
        self.assertEqual(self.harness.gateway.pending, 0)

    def test_lines_that_fail(self) -> None:
        """JSON lines end with the problem, and the response is cut off, so that it does not look complete."""
        response = self.client.request("GET", "/fail")
        *items, problem, rest = body_of(response).split(b"\n")
        self.assertEqual((items, rest), ([b"0", b"1"], b""))
        found = msgspec.json.decode(problem)
        self.assertEqual((found["status"], found["detail"]), (409, "no more"))
        self.assertFalse(response.endswith(LAST))
        self.assertEqual(self.client.transport.closed, "lose")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.harness.gateway.pending, 0)

    def test_events_that_fail(self) -> None:
        """Events end with one of the type error that has the problem."""
        body = body_of(self.client.request("GET", "/fail", EVENTS))
        start, _, problem = body.partition(b"event: error\ndata: ")
        self.assertEqual(start, b"data: 0\n\ndata: 1\n\n")
        self.assertEqual(msgspec.json.decode(problem.removesuffix(b"\n\n."))["status"], 409)
        self.assertEqual(self.client.transport.closed, "")

    def test_crash(self) -> None:
        """An unexpected exception is not sent."""
        response = self.client.request("GET", "/crash", EVENTS)
        self.assertIn(b'"status":500', response)
        self.assertNotIn(b"secret", response)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_abort(self) -> None:
        """When the gateway aborts, a stream ends with 503."""
        self.client.request("GET", "/late", EVENTS)
        self.items.go()
        self.assertEqual(body_of(self.client.received()), b"data: 1\n\n")
        self.harness.gateway.abort()
        self.assertIn(
            b'event: error\ndata: {"type":"about:blank","title":"Service unavailable"', self.client.received()
        )
        self.assertEqual((self.items.ended is None, self.harness.gateway.pending), (False, 0))

    def test_timeout(self) -> None:
        """The client's time-out ends the stream."""
        self.client.request("GET", "/late", EVENTS, "X-Request-Timeout: 2")
        self.clock.advance(1)
        self.client.received()
        self.clock.advance(1)
        self.assertIn(b'"status":504', self.client.received())


class FlowTests(StreamTestCase):
    def test_backpressure(self) -> None:
        """A client that does not read suspends the generator, and resumes it by reading."""
        self.client.transport.slow = True
        self.client.request("GET", "/endless")
        given = self.items.given
        self.clock.pump([0] * 9)
        self.assertEqual(self.items.given, given)
        self.client.channel.resumeProducing()
        self.clock.pump([0])
        self.assertGreater(self.items.given, given)

    def test_backpressure_before(self) -> None:
        """A client that has not read an earlier response gets no items, under any site."""
        client = RawClient(Site(self.harness.resource, reactor=self.clock))
        client.channel._channel.pauseProducing()
        client.request("GET", "/endless")
        self.clock.pump([0] * 9)
        self.assertEqual(self.items.given, 0)
        transport: Any = client.transport
        transport.slow = True  # or the clock would never stop
        transport.writeSequence = lambda pieces: transport.write(b"".join(pieces))
        client.channel._channel.resumeProducing()
        self.clock.pump([0])
        self.assertGreater(self.items.given, 0)

    def test_disconnect_while_waiting(self) -> None:
        """A disconnect cancels a generator where it waits."""
        self.client.request("GET", "/late")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        error: Any = self.items.ended
        self.assertEqual((error.code, self.harness.gateway.pending), (499, 0))
        self.assertEqual(self.client.received(), b"")

    def test_disconnect_between_items(self) -> None:
        """A disconnect closes a generator between items."""
        self.client.transport.slow = True
        self.client.request("GET", "/endless")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(self.items.ended, GeneratorExit)
        self.assertEqual((self.harness.gateway.pending, self.harness.handle.inflight), (0, 0))

    def test_no_timers_left(self) -> None:
        """A stream that has ended leaves no timers."""
        for path in ("/some", "/fail?n=0", "/fail"):
            self.client.request("GET", path, EVENTS)
        left = [
            each for each in self.clock.getDelayedCalls() if each is not self.harness.connections._checks.call
        ]
        self.assertEqual(left, [])


class SilenceTests(StreamTestCase):
    def test_early_head(self) -> None:
        """A client that waits for the first item gets the head after a second."""
        self.assertEqual(self.client.request("GET", "/late"), b"")
        self.clock.advance(1)
        self.assertIn(b" 200 OK", self.client.received())
        self.items.go()
        self.assertEqual(body_of(self.client.received()), b"1\n")

    def test_events_kept_alive(self) -> None:
        """Events are kept alive by a comment after 15 silent seconds."""
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

    def test_heartbeat_of_route(self) -> None:
        """A route can have another heartbeat."""
        self.client.request("GET", "/soon", EVENTS)
        self.items.go()
        self.client.received()
        for _ in range(2):
            self.clock.advance(4.9)
            self.assertEqual(self.client.received(), b"")
            self.clock.advance(0.1)
            self.assertEqual(body_of(self.client.received()), b":\n\n")

    def test_no_keep_alive_if_full(self) -> None:
        """A client that does not read gets no comments."""
        self.client.request("GET", "/late", EVENTS)
        self.items.go()
        self.client.channel.pauseProducing()
        self.client.received()
        self.clock.advance(15)
        self.assertEqual(self.client.received(), b"")

    def test_lines_are_silent(self) -> None:
        """JSON lines have no comments."""
        self.client.request("GET", "/late")
        self.items.go()
        self.client.received()
        self.clock.pump([15, 10])
        self.assertEqual(self.client.received(), b"")
