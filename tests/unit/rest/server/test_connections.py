"""The time-outs and the number of HTTP connections."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_connection import LIMITS, ServerHarness, ServerTestCase, raw, responses_in

POST = "POST / HTTP/1.1"


class TimeTests(ServerTestCase):
    """Time-outs of clients. They are checked every half second here."""

    def test_new(self) -> None:
        """A client that sends nothing is closed without a response."""
        _, transport = self.harness.connect()
        self.assertEqual(self.after(transport, 3.5), ([], ""))
        self.assertEqual(self.after(transport, 1.5), ([], "lose"))

    def test_idle(self) -> None:
        """An idle connection is closed after a longer time, without a response."""
        transport = self.harness.send(raw())
        self.assertEqual(self.after(transport, 15.5), ([200], ""))
        self.assertEqual(self.after(transport, 1.5), ([200], "lose"))

    def test_head(self) -> None:
        """The first head has its time from the start of the connection, and its bytes do not restart it."""
        channel, transport = self.harness.connect()
        for each in raw()[:8]:
            self.harness.wait(0.5)
            channel.dataReceived(bytes([each]))
        self.assertEqual(self.after(transport, 1), ([408], "half"))

    def test_later_head(self) -> None:
        """The head of a later request has its time from its first byte."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw())
        self.harness.wait(10)
        channel.dataReceived(raw()[:8])
        self.assertEqual(self.after(transport, 3.5), ([200], ""))
        self.assertEqual(self.after(transport, 1.5), ([200, 408], "half"))

    def test_body(self) -> None:
        """The body has its time from the end of the head, and its bytes do not restart it."""
        for header in ("Content-Length: 90", "Transfer-Encoding: chunked"):
            channel, transport = self.harness.connect()
            channel.dataReceived(raw(POST, header) + b"5A\r\n")
            for _ in range(8):
                self.harness.wait(0.5)
                channel.dataReceived(b"a")
            self.assertEqual(self.after(transport, 1), ([408], "half"))

    def test_processing(self) -> None:
        """Requests have no time-out here while they are processed."""
        transport = self.harness.send(raw("GET /wait HTTP/1.1"))
        self.assertEqual(self.after(transport, 60), ([], ""))
        self.gateway.respond()
        self.assertEqual(self.codes(transport), [200])

    def test_stalled_client(self) -> None:
        """A client that does not read a response is aborted, during and after the response."""
        for path in ("/", "/wait"):
            channel, transport = self.harness.connect()
            channel.dataReceived(raw(f"GET {path} HTTP/1.1"))
            channel.pauseProducing()
            self.assertEqual(self.after(transport, 7.5)[1], "")
            self.assertEqual(self.after(transport, 1.5)[1], "abort")

    def test_slow_client(self) -> None:
        """A client that reads in time is served on."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw())
        channel.pauseProducing()
        self.harness.wait(7)
        channel.resumeProducing()
        self.assertEqual(self.after(transport, 7), ([200], ""))

    def test_stalled_at_close(self) -> None:
        """A client that does not read the last response is aborted."""
        channel, transport = self.harness.connect()
        transport.protocol = None  # it is not closed until all is sent
        channel.dataReceived(raw("GET / HTTP/1.1", "Connection: close"))
        self.assertEqual(self.after(transport, 7.5)[1], "lose")
        self.assertEqual(self.after(transport, 1.5)[1], "abort")


class TimerTests(ServerTestCase):
    """The timer for time-outs."""

    def test_no_timers(self) -> None:
        """All connections share one timer, and there is none without connections."""
        self.site.doStart()
        transports = [self.harness.send(raw("GET /wait HTTP/1.1")) for _ in range(9)]
        self.assertEqual(len(self.harness.clock.getDelayedCalls()), 1)
        for each in transports:
            each.lose()
        self.harness.wait(1)
        self.site.doStop()
        self.assertEqual(self.harness.clock.getDelayedCalls(), [])


class NumberTests(SynchronousTestCase):
    """The number of connections."""

    def setUp(self) -> None:
        """Allow two connections."""
        self.harness = ServerHarness(limits=msgspec.structs.replace(LIMITS, max_connections=2))

    def test_too_many(self) -> None:
        """A connection over the limit gets 503 with Retry-After, and is closed; the others are served."""
        others = [self.harness.connect() for _ in range(2)]
        _, refused = self.harness.connect()
        (response,) = responses_in(refused.value())
        self.assertEqual((response.code, response.headers["Retry-After"]), (503, "1"))
        self.assertEqual((response.headers["Connection"], refused.closed), ("close", "half"))
        for channel, transport in others:
            channel.dataReceived(raw())
            self.assertEqual(len(responses_in(transport.value())), 1)

    def test_idle(self) -> None:
        """A connection over the limit takes the place of the oldest idle one."""
        first, second = (self.harness.send(raw()) for _ in range(2))
        third = self.harness.send(raw())
        self.assertEqual((first.closed, second.closed, third.closed), ("lose", "", ""))
        self.assertEqual(responses_in(third.value())[0].code, 200)

    def test_idle_authenticated(self) -> None:
        """One on which a request has shown a valid token is closed only if there is no other."""
        (channel, first), (_, second) = (self.harness.connect() for _ in range(2))
        channel.client.authenticated = True
        for each in (first, second):
            each.protocol.dataReceived(raw())
        third = self.harness.send(raw("GET /wait HTTP/1.1"))
        self.assertEqual((first.closed, second.closed), ("", "lose"))
        self.harness.send(raw())
        self.assertEqual((first.closed, third.closed), ("lose", ""))

    def test_busy(self) -> None:
        """Connections with a request, or with a part of one, keep their place."""
        self.harness.send(raw("GET /wait HTTP/1.1"))
        channel, second = self.harness.connect()
        channel.dataReceived(raw() + b"GET")
        refused = self.harness.send(raw())
        self.assertEqual((responses_in(refused.value())[0].code, second.closed), (503, ""))

    def test_free_slot(self) -> None:
        """A connection that closes frees a slot, even while refused ones are open."""
        _, first = self.harness.connect()
        for _ in range(3):
            self.harness.connect()
        self.assertEqual(len(self.harness.connections), 4)
        first.lose()
        transport = self.harness.send(raw())
        self.assertEqual(responses_in(transport.value())[0].code, 200)

    def test_far_too_many(self) -> None:
        """Refused connections are limited, too."""
        for _ in range(100):
            _, transport = self.harness.connect()
        self.assertEqual((transport.value(), transport.closed), (b"", "abort"))
        self.assertEqual(len(self.harness.connections), 2 + 64)
        self.harness.wait(4)
        self.assertEqual(len(self.harness.connections), 2)
