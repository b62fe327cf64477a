"""What all HTTP connections share: limits of time and number."""

from __future__ import annotations

import msgspec
from twisted.internet.interfaces import IProtocolFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site
from zope.interface.verify import verifyObject

from tests.unit.rest.http_connection import LIMITS, Fronting, FrontTestCase, answers_in, ask

POST = "POST / HTTP/1.1"


class SiteTests(FrontTestCase):
    """A site of twisted.web."""

    def test_interfaces(self) -> None:
        """It can be listened with, and is a site, as sessions and such need one."""
        verifyObject(IProtocolFactory, self.front)
        self.assertIsInstance(self.front, Site)
        self.assertEqual(self.front.acceptableProtocols(), [b"http/1.1"])

    def test_no_timers(self) -> None:
        """Of time, there is one timer for all connections; and none when there are none."""
        self.front.doStart()
        transports = [self.fronting.send(ask("GET /wait HTTP/1.1")) for _ in range(9)]
        self.assertEqual(len(self.fronting.clock.getDelayedCalls()), 1)
        for each in transports:
            each.lost()
        self.fronting.wait(1)
        self.front.doStop()
        self.assertEqual(self.fronting.clock.getDelayedCalls(), [])

    def test_date(self) -> None:
        """The time that answers tell goes on."""
        channel, transport = self.fronting.connect()
        self.front.date = b"Date: long ago\r\n"
        self.fronting.wait(1)
        channel.dataReceived(ask())
        self.assertNotIn(b"long ago", transport.value())
        self.assertIn(b"\r\nDate: ", transport.value())


class TimeTests(FrontTestCase):
    """How long a client may take. Times are looked at every half a second here."""

    def test_says_nothing(self) -> None:
        """Who connects and says nothing is closed, and told nothing."""
        _, transport = self.fronting.connect()
        self.assertEqual(self.after(transport, 3.5), ([], ""))
        self.assertEqual(self.after(transport, 1.5), ([], "lose"))

    def test_idle(self) -> None:
        """So is who asks for nothing more, after longer."""
        transport = self.fronting.send(ask())
        self.assertEqual(self.after(transport, 15.5), ([200], ""))
        self.assertEqual(self.after(transport, 1.5), ([200], "lose"))

    def test_head(self) -> None:
        """A head has its time from the connection's beginning; its bytes do not restart that."""
        channel, transport = self.fronting.connect()
        for each in ask()[:8]:
            self.fronting.wait(0.5)
            channel.dataReceived(bytes([each]))
        self.assertEqual(self.after(transport, 1), ([408], "half"))

    def test_later_head(self) -> None:
        """That of a later request has it from its first byte."""
        channel, transport = self.fronting.connect()
        channel.dataReceived(ask())
        self.fronting.wait(10)
        channel.dataReceived(ask()[:8])
        self.assertEqual(self.after(transport, 3.5), ([200], ""))
        self.assertEqual(self.after(transport, 1.5), ([200, 408], "half"))

    def test_body(self) -> None:
        """A body has its time from the end of the head; its bytes do not restart that either."""
        for header in ("Content-Length: 90", "Transfer-Encoding: chunked"):
            channel, transport = self.fronting.connect()
            channel.dataReceived(ask(POST, header) + b"5A\r\n")
            for _ in range(8):
                self.fronting.wait(0.5)
                channel.dataReceived(b"a")
            self.assertEqual(self.after(transport, 1), ([408], "half"))

    def test_answering(self) -> None:
        """To answer may take longer than anything that a client may take."""
        transport = self.fronting.send(ask("GET /wait HTTP/1.1"))
        self.assertEqual(self.after(transport, 60), ([], ""))
        self.gateway.answer()
        self.assertEqual(self.codes(transport), [200])

    def test_reads_nothing(self) -> None:
        """Who takes nothing of an answer is cut off, between requests or in the middle of one."""
        for path in ("/", "/wait"):
            channel, transport = self.fronting.connect()
            channel.dataReceived(ask(f"GET {path} HTTP/1.1"))
            channel.pauseProducing()
            self.assertEqual(self.after(transport, 7.5)[1], "")
            self.assertEqual(self.after(transport, 1.5)[1], "abort")

    def test_reads(self) -> None:
        """Who takes it at last is served on."""
        channel, transport = self.fronting.connect()
        channel.dataReceived(ask())
        channel.pauseProducing()
        self.fronting.wait(7)
        channel.resumeProducing()
        self.assertEqual(self.after(transport, 7), ([200], ""))

    def test_reads_nothing_at_the_end(self) -> None:
        """Who does not take the last answer is not waited for either, where it is to be closed."""
        channel, transport = self.fronting.connect()
        transport.protocol = None  # it is not closed until all is taken
        channel.dataReceived(ask("GET / HTTP/1.1", "Connection: close"))
        self.assertEqual(self.after(transport, 7.5)[1], "lose")
        self.assertEqual(self.after(transport, 1.5)[1], "abort")


class NumberTests(SynchronousTestCase):
    """How many clients there may be."""

    def setUp(self) -> None:
        """Two."""
        self.fronting = Fronting(limits=msgspec.structs.replace(LIMITS, max_connections=2))

    def test_too_many(self) -> None:
        """Who is one too many is told when to come again, and closed; the others are served."""
        others = [self.fronting.connect() for _ in range(2)]
        _, refused = self.fronting.connect()
        (answer,) = answers_in(refused.value())
        self.assertEqual((answer.code, answer.headers["Retry-After"]), (503, "1"))
        self.assertEqual((answer.headers["Connection"], refused.closed), ("close", "half"))
        for channel, transport in others:
            channel.dataReceived(ask())
            self.assertEqual(len(answers_in(transport.value())), 1)

    def test_room(self) -> None:
        """When one has gone, there is room, though some that were refused are not gone yet."""
        _, first = self.fronting.connect()
        for _ in range(3):
            self.fronting.connect()
        self.assertEqual(self.fronting.front.connections, 4)
        first.lost()
        transport = self.fronting.send(ask())
        self.assertEqual(answers_in(transport.value())[0].code, 200)

    def test_far_too_many(self) -> None:
        """Those who are refused cannot become any number either."""
        for _ in range(100):
            _, transport = self.fronting.connect()
        self.assertEqual((transport.value(), transport.closed), (b"", "abort"))
        self.assertEqual(self.fronting.front.connections, 2 + 64)
        self.fronting.wait(4)
        self.assertEqual(self.fronting.front.connections, 2)
