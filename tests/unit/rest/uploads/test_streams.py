"""Tests of bodies that actions read while they arrive."""

from __future__ import annotations

import math

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tests.unit.rest.http_requests import RawClient, header_values
from tests.unit.rest.uploads.upload_client import UploadTestCase
from unixsvc.config.settings import Limits
from unixsvc.errors import Cancelled, DeadlineExceeded, Incomplete, Malformed, TooLarge
from unixsvc.security.buffer_budget import BufferBudget

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_WINDOW = 262_144


class BodyTests(UploadTestCase):
    """What the action gets."""

    def test_while_it_arrives(self) -> None:
        """The action runs when the head is there, and gets each piece at once."""
        self.assertEqual(self.start("/stream", length=6), b"")
        self.send(b"one")
        self.assertEqual(self.chunks, [b"one"])
        response = self.send(b"two")
        self.assertEqual(self.code(response), 200)
        self.assertTrue(response.endswith(b"\r\n\r\n6"))

    def test_at_once(self) -> None:
        """A body that comes with its head is a stream as well, also an empty one."""
        self.assertTrue(self.client.request("PUT", "/stream", body=b"three").endswith(b"\r\n\r\n5"))
        self.assertTrue(self.client.request("PUT", "/stream", "Content-Length: 0").endswith(b"5"))
        self.assertEqual(self.chunks, [b"three"])

    def test_chunked(self) -> None:
        """Chunks of the transfer coding are decoded, however they are cut; their trailers are dropped."""
        self.start("/stream")
        data = b"3;x=y\r\none\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n"
        responses = [self.send(bytes([each])) for each in data]
        self.assertEqual(b"".join(self.chunks), b"one0123456789abcdef")
        self.assertTrue(responses[-1].endswith(b"\r\n\r\n19"))

    def test_short_pieces_are_joined(self) -> None:
        """Bytes that arrive one by one, while the action does something else, are not kept one by one."""
        self.start("/gated", length=1000)
        for _ in range(1000):
            self.send(b"x")
        self.assertEqual(list(map(len, self.client.channel.incoming._pieces)), [1000])
        self.gate.callback(None)
        self.assertEqual(list(map(len, self.chunks)), [1000])


class ConnectionTests(UploadTestCase):
    """The connection during and after an upload."""

    def test_kept(self) -> None:
        """After a whole body, the connection serves the next request, also one that was sent early."""
        self.start("/stream", length=4)
        found = self.send(b"bodyGET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertEqual(found.count(b"HTTP/1.1 200 OK"), 2)
        self.assertNotIn(b"Connection: close", found)
        self.assertTrue(self.client.request("GET", "/hello").endswith(b'"hello"'))

    def test_kept_after_chunks(self) -> None:
        """The same after a chunked body."""
        self.start("/stream")
        self.send(b"1\r\na\r\n0\r\n\r\n")
        self.assertTrue(self.client.request("GET", "/hello").endswith(b'"hello"'))

    def test_pipelined_after_upload_that_came_with_its_head(self) -> None:
        """A request behind a short upload in the same segment is served."""
        upload = b"PUT /unread HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nab"
        found = self.send(upload + b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.clock.advance(0)
        found += self.client.received()
        self.assertEqual(found.count(b"HTTP/1.1 200 OK"), 2)

    def test_flow_control(self) -> None:
        """The connection stops to read while the action does not take the bytes, and then reads on."""
        self.start("/gated", length=4 * _WINDOW)
        self.send(b"x" * (_WINDOW - 1))
        self.assertTrue(self.reading)
        self.send(b"x")
        self.assertFalse(self.reading)
        self.gate.callback(None)
        self.assertTrue(self.reading)
        self.send(b"x" * _WINDOW)
        self.assertFalse(self.reading)

    def test_counted(self) -> None:
        """What waits for the action is counted in the memory of unauthenticated clients, and then is not."""
        self.start("/gated", length=100_000)
        self.send(b"x" * 50_000)
        self.assertEqual(self.client.channel.client.counted, 50_000)
        self.gate.callback(None)
        self.assertEqual(self.client.channel.client.counted, 0)

    def test_unread(self) -> None:
        """An action that returns early is answered, and the connection closed; further bytes are dropped."""
        found = self.start("/unread", length=1_000_000)
        self.assertEqual(self.code(found), 200)
        self.assertEqual(header_values(found, b"Connection"), [b"close"])
        self.assertEqual(self.client.transport.closed, "half")
        self.assertEqual(self.send(b"x" * 500_000), b"")
        self.assertEqual(self.client.channel._parser.held, 0)
        self.clock.pump([1] * 4)
        self.assertEqual(self.client.transport.closed, "abort")

    def test_disconnect(self) -> None:
        """A client that disconnects in the middle cancels the action."""
        self.start("/stream", length=10)
        self.send(b"x")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertIsInstance(self.failures[0], Cancelled)
        self.assertEqual(self.harness.gateway.pending, 0)

    def test_disconnect_of_a_shielded_action(self) -> None:
        """An action that is not cancelled finds out that the rest will not come."""
        self.start("/shielded", length=10)
        self.send(b"x")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.chunks, [b"x"])
        self.assertIsInstance(self.failures[0], Cancelled)

    def test_answer_while_reading(self) -> None:
        """A response that begins before the end of the body ends the connection, as its head says."""
        self.start("/echo", length=3)
        found = self.send(b"a")
        self.clock.advance(1)
        found += self.client.received()
        self.assertEqual(header_values(found, b"Connection"), [b"close"], found)
        found = self.send(b"bc")
        self.clock.advance(1)
        self.assertTrue((found + self.client.received()).endswith(b"0\r\n\r\n"))
        self.assertEqual(self.client.transport.closed, "lose")

    def test_paused_by_the_budget(self) -> None:
        """A connection that was paused as others use up the memory reads on when its action has read all."""
        self.harness.connections.budget = BufferBudget(Limits(max_message_bytes=100, max_buffered_bytes=100))
        for _ in range(2):
            other = RawClient(self.harness.site)
            other.request("POST", "/hello", "Content-Length: 1000000")
            other.channel.dataReceived(b"x" * 200_000)
        self.client = RawClient(self.harness.site)
        self.start("/gated", length=1_000_000)
        self.send(b"x" * 200_000)
        self.assertFalse(self.reading)
        self.gate.callback(None)
        self.assertTrue(self.reading)

    def test_stalled_while_others_wait(self) -> None:
        """A client that makes its action wait for its body is refused first, if others wait for memory."""
        self.start("/stream", length=1_000_000)
        self.assertFalse(self.client.channel.client.delayed)
        self.client = RawClient(self.harness.site)
        self.start("/gated", length=1_000_000)
        self.assertTrue(self.client.channel.client.delayed)


class HeadTests(UploadTestCase):
    """What is decided before the body is there."""

    def test_unauthorized(self) -> None:
        """A request without a token is refused at its head; nothing of the body is received."""
        found = self.start("/private", length=1_000_000)
        self.assertEqual(self.code(found), 401)
        self.assertEqual(header_values(found, b"Connection"), [b"close"])
        self.assertEqual(self.chunks, [])

    def test_authorized(self) -> None:
        """A request with the token is served."""
        self.start("/private", self.authorization, length=3)
        self.assertEqual(self.code(self.send(b"abc")), 200)

    def test_too_large(self) -> None:
        """A body above ``max_body`` is refused at its head; other routes have the usual limit.

        The response names the setting that counts.
        """
        response = self.start("/stream", length=10_000_001)
        self.assertEqual(self.code(response), 413)
        self.assertIn(b'"max_body":10000000', response)
        self.setUp()
        self.assertEqual(self.client.request("PUT", "/stream", "Transfer-Encoding: chunked"), b"")
        self.assertIn(b'"max_body":10000000', self.send(b"989681\r\n"))
        self.setUp()
        response = self.client.request("POST", "/hello", "Content-Length: 1048577")
        self.assertEqual(self.code(response), 413)
        self.assertIn(b'"max_message_bytes":1048576', response)

    def test_no_route(self) -> None:
        """A body for no route, or for another method, has the usual limit, and the usual answer."""
        json = "Content-Type: application/json"
        self.assertEqual(self.code(self.client.request("PUT", "/else", json, body=b"{}")), 404)
        self.assertEqual(self.code(self.client.request("POST", "/stream", json, body=b"{}")), 405)
        self.assertEqual(self.code(self.client.request("PUT", "/else", body=b"no form")), 404)
        for method in ("TRACE", "GET"):
            self.assertEqual(self.code(self.client.request(method, "/files", body=b"no form")), 405)

    def test_continue(self) -> None:
        """``100 Continue`` is sent when the action begins to read, and once."""
        self.assertEqual(self.start("/gated", "Expect: 100-continue", length=8), b"")
        self.gate.callback(None)
        self.assertEqual(self.client.received(), _CONTINUE)
        self.assertEqual(self.send(b"body"), b"")
        self.gate.callback(None)
        self.assertEqual(self.code(self.send(b"body")), 200)

    def test_no_continue(self) -> None:
        """A request that is refused gets its response without ``100 Continue``."""
        found = self.start("/private", "Expect: 100-continue", length=8)
        self.assertEqual(self.code(found), 401)

    def test_no_continue_for_what_is_there(self) -> None:
        """A client that does not wait gets no ``100 Continue``."""
        self.start("/gated", "Expect: 100-continue", length=8)
        self.send(b"bo")
        self.gate.callback(None)
        self.assertEqual(self.client.received(), b"")


class MalformedTests(UploadTestCase):
    """Bodies that are malformed after they have begun."""

    def test_wrong_chunk(self) -> None:
        """A malformed chunk is 400 for an action that reads, and ends the connection."""
        self.start("/stream")
        self.send(b"1\r\na\r\n")
        found = self.send(b"nonsense\r\n")
        self.assertEqual(self.code(found), 400)
        self.assertIsInstance(self.failures[0], Malformed)
        self.assertEqual(header_values(found, b"Connection"), [b"close"])

    def test_too_many_chunks(self) -> None:
        """A chunked body that becomes longer than ``max_body`` is 413, before it is longer."""
        self.start("/stream")
        for _ in range(9):
            self.send(b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n")
        self.assertEqual(self.code(self.send(b"f4241\r\n")), 413)
        self.assertIsInstance(self.failures[0], TooLarge)
        self.assertEqual(sum(map(len, self.chunks)), 9_000_000)

    def test_chunk_without_end(self) -> None:
        """A chunk size or a trailer without end is rejected."""
        for data in (b"1" * 20_000, b"1;" + b"a" * 20_000, b"0\r\n" + b"A: b\r\n" * 5000):
            self.setUp()
            self.start("/stream")
            self.assertEqual(self.code(self.send(data)), 400)


class TimeTests(UploadTestCase):
    """How long an upload may take."""

    def test_stalled(self) -> None:
        """A client that sends nothing for ``message_timeout`` while the action waits gets 408."""
        self.start("/stream", length=10)
        self.send(b"x")
        self.clock.pump([1] * 29)
        self.assertEqual(self.failures, [])
        self.clock.pump([1] * 4)
        self.assertIsInstance(self.failures[0], Incomplete)
        self.assertEqual(self.code(self.client.received()), 408)
        self.assertEqual(self.client.transport.closed, "half")

    def test_trickle(self) -> None:
        """A client that sends less than 512 bytes a second is as one that sends nothing."""
        self.start("/stream", length=1_000_000)
        for _ in range(40):
            self.send(b"x" * 400)
            self.clock.advance(1)
        self.assertIsInstance(self.failures[0], Incomplete)

    def test_slow(self) -> None:
        """A client that is slow, but not as slow, may take longer than every time-out of a request.

        Nor have calls of the action to other services the deadline that the request would have had.
        """
        self.start("/stream", length=600 * 300)
        for _ in range(299):
            self.send(b"x" * 600)
            self.clock.advance(1)
        self.assertEqual(self.failures, [])
        self.assertEqual(self.code(self.send(b"x" * 600)), 200)
        self.assertEqual(self.deadline, math.inf)

    def test_slow_action(self) -> None:
        """The time of an action that does not take the bytes is not the client's: it has its own limit."""
        self.start("/gated", length=10)
        self.clock.pump([1] * 29)
        self.gate.callback(None)
        self.clock.pump([1] * 29)
        self.send(b"x")
        self.clock.pump([1] * 29)
        self.assertEqual(self.client.received(), b"")
        self.clock.pump([1] * 2)
        self.assertEqual(self.code(self.client.received()), 504)

    def test_timeout_of_the_client(self) -> None:
        """The client's own time-out runs from the beginning."""
        self.start("/stream", "X-Request-Timeout: 5", length=100_000)
        for _ in range(6):
            self.send(b"x" * 10_000)
            self.clock.advance(1)
        self.assertIsInstance(self.failures[0], DeadlineExceeded)

    def test_drain(self) -> None:
        """A worker that drains receives an upload to its end, and closes the connection after it."""
        self.start("/stream", length=4)
        self.harness.connections.drain(wait_for_idle=True)
        self.send(b"bo")
        found = self.send(b"dy")
        self.assertEqual(self.code(found), 200)
        self.assertEqual(header_values(found, b"Connection"), [b"close"])

    def test_abort(self) -> None:
        """A worker that aborts answers with 503."""
        self.start("/stream", length=4)
        self.harness.gateway.abort()
        self.assertEqual(self.code(self.client.received()), 503)
