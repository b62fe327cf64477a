"""Flow control, time-outs and limits, with a client that sends and receives bytes."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from tests.unit.rest.websocket.abuse import FRAMES
from tests.unit.rest.websocket.actions import Sockets, make_app
from tests.unit.rest.websocket.frames import (
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    close_frame,
    frame,
    frames_in,
)
from unixsvc.config.http import Http, WebSockets
from unixsvc.domain.websocket import WebSocketClosed
from unixsvc.testing import MemoryTransport

HANDSHAKE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


class FlowCase(SynchronousTestCase):
    settings = WebSockets()

    def setUp(self) -> None:
        """Serve the actions."""
        self.sockets = Sockets()
        http = Http(docs=False, websocket=self.settings)
        self.harness = GatewayHarness(*make_app(self.sockets).routes, http=http)

    def open(self, path: str) -> RawClient:
        """Open a WebSocket."""
        client = RawClient(self.harness.site)
        response = client.request("GET", path, *HANDSHAKE)
        self.assertTrue(response.startswith(b"HTTP/1.1 101 "), response)
        self.transport: MemoryTransport = client.transport
        return client

    def send(self, client: RawClient, *frames: bytes) -> list[Frame]:
        """Send frames; return what is received."""
        client.channel.dataReceived(b"".join(frames))
        return frames_in(client.received())

    def lose(self, client: RawClient) -> None:
        """Disconnect."""
        client.channel.connectionLost(Failure(ConnectionDone()))

    def close_code(self, client: RawClient) -> int:
        """The code of the only frame that was received."""
        (found,) = frames_in(client.received())
        self.assertEqual(found.opcode, CLOSE)
        return int.from_bytes(found.payload[:2], "big")

    def wait(self, seconds: int) -> None:
        """Let time pass, second by second."""
        self.harness.clock.pump([1.0] * seconds)


class InboundTests(FlowCase):
    def test_slow_action(self) -> None:
        """While the action takes no messages, the server stops to read; nothing is lost."""
        client = self.open("/hold")
        for number in range(63):
            self.send(client, frame(TEXT, b"%d" % number))
        self.assertTrue(self.transport.reading)
        self.send(client, frame(TEXT, b"63"), frame(TEXT, b"64"))
        self.assertFalse(self.transport.reading)
        self.send(client, frame(TEXT, b"65"))
        self.sockets.release.callback(None)
        self.assertEqual(self.sockets.events, [str(number) for number in range(66)])
        self.assertTrue(self.transport.reading)

    def test_empty_messages(self) -> None:
        """Messages without a byte count as well."""
        client = self.open("/hold")
        self.send(client, frame(TEXT) * 100)
        self.assertFalse(self.transport.reading)
        self.sockets.release.callback(None)
        self.assertEqual((len(self.sockets.events), self.transport.reading), (100, True))

    def test_large_messages(self) -> None:
        """The bytes of waiting messages are limited as well, and counted in the budget of the worker."""
        client = self.open("/hold")
        self.send(client, frame(TEXT, b"x" * 70_000))
        self.assertFalse(self.transport.reading)
        self.assertGreater(client.channel.client.counted, 69_999)
        self.sockets.release.callback(None)
        self.assertTrue(self.transport.reading)
        self.send(client, frame(TEXT, b"x"))
        self.assertEqual(client.channel.client.counted, 0)

    def test_early_frames(self) -> None:
        """Frames that come right behind the handshake are received."""
        client = RawClient(self.harness.site)
        lines = ["GET /text HTTP/1.1", "Host: localhost", *HANDSHAKE, "", ""]
        client.channel.dataReceived("\r\n".join(lines).encode() + frame(TEXT, b"a"))
        self.wait(1)
        self.assertIn(b"\x81\x01A", client.received())

    def test_frames_before_accept(self) -> None:
        """Frames that come before the action has accepted wait, up to a limit."""
        client = RawClient(self.harness.site)
        client.request("GET", "/never", *HANDSHAKE)
        client.channel.dataReceived(b"x" * 20_000)
        self.assertFalse(client.transport.reading)

    def test_many_frames(self) -> None:
        """Frames are parsed in pieces, so that 10,000 pings at once cost little: they are refused early."""
        client = self.open("/text")
        found = self.send(client, frame(PING) * 10_000)
        self.assertEqual([each.opcode for each in found[:-1]], [PONG] * (len(found) - 1))
        self.assertLess(len(found), 3_000)
        self.assertEqual(int.from_bytes(found[-1].payload[:2], "big"), 1008)
        self.assertEqual(self.transport.closed, "lose")
        self.assertEqual(self.harness.gateway.pending, 0)


class AbuseTests(FlowCase):
    settings = WebSockets(compression=True)

    def test_frames(self) -> None:
        """What is not allowed closes with its code; nothing is held for it, and others are served."""
        for abuse in FRAMES:
            client = RawClient(self.harness.site)
            client.request("GET", "/both", *HANDSHAKE, "Sec-WebSocket-Extensions: permessage-deflate")
            client.channel.dataReceived(abuse.sent)
            closes = [each for each in frames_in(client.received()) if each.opcode == CLOSE]
            codes = [int.from_bytes(each.payload[:2], "big") for each in closes]
            self.assertEqual((codes, client.transport.closed), ([abuse.code], "lose"), abuse.why)
            self.assertLess(client.channel.client.counted, 100_000, abuse.why)
            self.lose(client)
        self.assertEqual(self.harness.gateway.pending, 0)
        self.assertEqual(self.send(self.open("/text"), frame(TEXT, b"a")), [Frame(TEXT, b"A")])
        self.flushLoggedErrors()


class OutboundTests(FlowCase):
    def setUp(self) -> None:
        """Open a WebSocket whose client does not read."""
        super().setUp()
        self.client = self.open("/hold")
        self.socket = self.sockets.sockets[0]
        self.client.channel.pauseProducing()

    def start(self, item: str) -> Any:
        """Start to send."""
        sending = self.socket.send(item)
        waiting = sending.send(None)
        waiting.addErrback(lambda _: None)
        return sending, waiting

    def test_slow_client(self) -> None:
        """While the client does not read, sending waits; the order is kept."""
        first, second = self.start("a"), self.start("b")
        self.assertEqual(self.client.received(), b"")
        self.client.channel.resumeProducing()
        self.assertEqual(frames_in(self.client.received()), [Frame(TEXT, b"a"), Frame(TEXT, b"b")])
        for sending, _ in (first, second):
            with self.assertRaises(StopIteration):
                sending.send(None)

    def test_cancelled(self) -> None:
        """A message whose sending is cancelled, as by a time-out, is not sent."""
        _, waiting = self.start("a")
        self.start("b")
        waiting.cancel()
        self.client.channel.resumeProducing()
        self.assertEqual(frames_in(self.client.received()), [Frame(TEXT, b"b")])

    def test_try_send(self) -> None:
        """For a message to many clients, those that are slow can be left out."""
        self.assertFalse(self.socket.try_send("a"))
        self.client.channel.resumeProducing()
        self.assertTrue(self.socket.try_send("b"))
        self.assertEqual(frames_in(self.client.received()), [Frame(TEXT, b"b")])
        self.lose(self.client)
        self.assertFalse(self.socket.try_send("c"))

    def test_lost(self) -> None:
        """Sending that waits fails when the client has disconnected."""
        sending, _ = self.start("a")
        self.lose(self.client)
        with self.assertRaises(WebSocketClosed):
            sending.send(None)
        self.assertEqual(self.sockets.events, ["cancelled"])

    def test_reading(self) -> None:
        """Nothing is read while the client does not read: answers to pings would pile up."""
        self.assertFalse(self.transport.reading)
        self.client.channel.resumeProducing()
        self.assertTrue(self.transport.reading)


class PingTests(FlowCase):
    settings = WebSockets(ping_interval=20, ping_timeout=5)

    def test_alive(self) -> None:
        """A client that was silent gets a ping; if it answers, it stays."""
        client = self.open("/text")
        self.wait(10)
        self.send(client, frame(TEXT, b"a"))
        self.wait(20)
        self.assertEqual(client.received(), b"")
        self.wait(1)
        self.assertEqual(frames_in(client.received()), [Frame(PING, b"")])
        self.send(client, frame(PONG))
        self.wait(20)
        self.assertEqual((client.received(), self.transport.closed), (b"", ""))

    def test_dead(self) -> None:
        """A client that does not answer is disconnected with 1011, and its action is cancelled."""
        client = self.open("/echo/a")
        self.wait(20)
        client.received()
        self.wait(5)
        self.assertEqual(self.close_code(client), 1011)
        self.assertEqual((self.transport.closed, self.sockets.events), ("lose", ["cancelled"]))

    def test_slow_action(self) -> None:
        """A client that is not read from is not held to answer."""
        client = self.open("/hold")
        self.send(client, frame(TEXT, b"a") * 70)
        self.wait(60)
        self.assertEqual((client.received(), self.transport.closed), (b"", ""))


class TimeoutTests(FlowCase):
    settings = WebSockets(idle_timeout=60, ping_interval=0)

    def test_message(self) -> None:
        """A message that takes longer than ``message_timeout`` is 1008."""
        client = self.open("/text")
        self.send(client, frame(TEXT, b"abc")[:-1])
        self.wait(29)
        self.send(client, frame(PING)[:0])
        self.assertEqual(self.transport.closed, "")
        self.wait(2)
        self.assertEqual(self.close_code(client), 1008)

    def test_idle(self) -> None:
        """A client that sends no message for ``idle_timeout`` is closed with 1001."""
        client = self.open("/text")
        self.wait(59)
        self.send(client, frame(TEXT, b"a"))
        self.wait(60)
        self.assertEqual(self.transport.closed, "")
        client.received()
        self.wait(2)
        self.assertEqual(self.close_code(client), 1001)

    def test_no_answer(self) -> None:
        """A client that does not answer a Close frame is disconnected after 10 s."""
        client = self.open("/close")
        self.send(client, frame(TEXT, b"4000"))
        self.wait(9)
        self.assertEqual(self.transport.closed, "")
        self.wait(1)
        self.assertEqual(self.transport.closed, "abort")
        self.lose(client)
        self.assertEqual(self.harness.gateway.pending, 0)

    def test_answer(self) -> None:
        """The connection is closed when the client has answered; what it sends before is dropped."""
        client = self.open("/close")
        self.send(client, frame(TEXT, b"4000"))
        self.send(client, frame(TEXT, b"more"), close_frame(4000))
        self.assertEqual(self.transport.closed, "lose")
        self.lose(client)
        self.harness.connections.abort()
        self.wait(1)
        self.assertEqual(self.harness.clock.getDelayedCalls(), [])


class CountTests(FlowCase):
    def test_pending(self) -> None:
        """An open WebSocket is a pending request; afterwards it is counted as one."""
        client = self.open("/text")
        self.assertEqual((self.harness.gateway.pending, self.harness.handle.inflight), (1, 1))
        self.send(client, close_frame(1000))
        self.lose(client)
        self.assertEqual((self.harness.gateway.pending, self.harness.handle.inflight), (0, 0))
        self.assertEqual(self.harness.stats.snapshot().all.requests, 1)

    def test_abort(self) -> None:
        """What has not ended at the end of a drain is cancelled, and its client gets 1012."""
        client = self.open("/hold")
        self.harness.gateway.abort()
        self.assertEqual((self.close_code(client), self.sockets.events), (1012, []))
        self.assertEqual(self.harness.gateway.pending, 0)
