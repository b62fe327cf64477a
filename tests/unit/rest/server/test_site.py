"""What all HTTP connections share: limits of time and number."""

from __future__ import annotations

import msgspec
from twisted.internet.interfaces import IProtocolFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site
from zope.interface.verify import verifyObject

from tests.unit.rest.http_connection import (
    LIMITS,
    ServerHarness,
    ServerTestCase,
    raw,
    responses_in,
)

POST = "POST / HTTP/1.1"


class SiteTests(ServerTestCase):
    """A site of twisted.web."""

    def test_interfaces(self) -> None:
        """It can be listened with, and is a site, as sessions and such need one."""
        verifyObject(IProtocolFactory, self.site)
        self.assertIsInstance(self.site, Site)
        self.assertEqual(self.site.acceptableProtocols(), [b"http/1.1"])

    def test_no_timers(self) -> None:
        """Of time, there is one timer for all connections; and none when there are none."""
        self.site.doStart()
        transports = [self.harness.send(raw("GET /wait HTTP/1.1")) for _ in range(9)]
        self.assertEqual(len(self.harness.clock.getDelayedCalls()), 1)
        for each in transports:
            each.lost()
        self.harness.wait(1)
        self.site.doStop()
        self.assertEqual(self.harness.clock.getDelayedCalls(), [])


class TimeTests(ServerTestCase):
    """How long a client may take. Times are looked at every half a second here."""

    def test_says_nothing(self) -> None:
        """Who connects and says nothing is closed, and told nothing."""
        _, transport = self.harness.connect()
        self.assertEqual(self.after(transport, 3.5), ([], ""))
        self.assertEqual(self.after(transport, 1.5), ([], "lose"))

    def test_idle(self) -> None:
        """So is who asks for nothing more, after longer."""
        transport = self.harness.send(raw())
        self.assertEqual(self.after(transport, 15.5), ([200], ""))
        self.assertEqual(self.after(transport, 1.5), ([200], "lose"))

    def test_head(self) -> None:
        """A head has its time from the connection's beginning; its bytes do not restart that."""
        channel, transport = self.harness.connect()
        for each in raw()[:8]:
            self.harness.wait(0.5)
            channel.dataReceived(bytes([each]))
        self.assertEqual(self.after(transport, 1), ([408], "half"))

    def test_later_head(self) -> None:
        """That of a later request has it from its first byte."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw())
        self.harness.wait(10)
        channel.dataReceived(raw()[:8])
        self.assertEqual(self.after(transport, 3.5), ([200], ""))
        self.assertEqual(self.after(transport, 1.5), ([200, 408], "half"))

    def test_body(self) -> None:
        """A body has its time from the end of the head; its bytes do not restart that either."""
        for header in ("Content-Length: 90", "Transfer-Encoding: chunked"):
            channel, transport = self.harness.connect()
            channel.dataReceived(raw(POST, header) + b"5A\r\n")
            for _ in range(8):
                self.harness.wait(0.5)
                channel.dataReceived(b"a")
            self.assertEqual(self.after(transport, 1), ([408], "half"))

    def test_answering(self) -> None:
        """To answer may take longer than anything that a client may take."""
        transport = self.harness.send(raw("GET /wait HTTP/1.1"))
        self.assertEqual(self.after(transport, 60), ([], ""))
        self.gateway.answer()
        self.assertEqual(self.codes(transport), [200])

    def test_reads_nothing(self) -> None:
        """Who takes nothing of an answer is cut off, between requests or in the middle of one."""
        for path in ("/", "/wait"):
            channel, transport = self.harness.connect()
            channel.dataReceived(raw(f"GET {path} HTTP/1.1"))
            channel.pauseProducing()
            self.assertEqual(self.after(transport, 7.5)[1], "")
            self.assertEqual(self.after(transport, 1.5)[1], "abort")

    def test_reads(self) -> None:
        """Who takes it at last is served on."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw())
        channel.pauseProducing()
        self.harness.wait(7)
        channel.resumeProducing()
        self.assertEqual(self.after(transport, 7), ([200], ""))

    def test_reads_nothing_at_the_end(self) -> None:
        """Who does not take the last answer is not waited for either, where it is to be closed."""
        channel, transport = self.harness.connect()
        transport.protocol = None  # it is not closed until all is taken
        channel.dataReceived(raw("GET / HTTP/1.1", "Connection: close"))
        self.assertEqual(self.after(transport, 7.5)[1], "lose")
        self.assertEqual(self.after(transport, 1.5)[1], "abort")


class NumberTests(SynchronousTestCase):
    """How many clients there may be."""

    def setUp(self) -> None:
        """Two."""
        self.harness = ServerHarness(limits=msgspec.structs.replace(LIMITS, max_connections=2))

    def test_too_many(self) -> None:
        """Who is one too many is told when to come again, and closed; the others are served."""
        others = [self.harness.connect() for _ in range(2)]
        _, refused = self.harness.connect()
        (answer,) = responses_in(refused.value())
        self.assertEqual((answer.code, answer.headers["Retry-After"]), (503, "1"))
        self.assertEqual((answer.headers["Connection"], refused.closed), ("close", "half"))
        for channel, transport in others:
            channel.dataReceived(raw())
            self.assertEqual(len(responses_in(transport.value())), 1)

    def test_room(self) -> None:
        """When one has gone, there is room, though some that were refused are not gone yet."""
        _, first = self.harness.connect()
        for _ in range(3):
            self.harness.connect()
        self.assertEqual(len(self.harness.connections), 4)
        first.lost()
        transport = self.harness.send(raw())
        self.assertEqual(responses_in(transport.value())[0].code, 200)

    def test_far_too_many(self) -> None:
        """Those who are refused cannot become any number either."""
        for _ in range(100):
            _, transport = self.harness.connect()
        self.assertEqual((transport.value(), transport.closed), (b"", "abort"))
        self.assertEqual(len(self.harness.connections), 2 + 64)
        self.harness.wait(4)
        self.assertEqual(len(self.harness.connections), 2)
