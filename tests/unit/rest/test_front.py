"""What all HTTP connections share: limits of time and number, and the way to the end."""

from __future__ import annotations

import msgspec
from twisted.internet.interfaces import IProtocolFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site
from zope.interface.verify import verifyObject

from tests.unit.rest.fronting import LIMITS, Fronting, Wire, answers_in, ask

POST = "POST / HTTP/1.1"


class FrontTestCase(SynchronousTestCase):
    """Has a front."""

    def setUp(self) -> None:
        """Nobody is connected."""
        self.fronting = Fronting()
        self.front, self.gateway = self.fronting.front, self.fronting.gateway

    def codes(self, transport: Wire) -> list[int]:
        """The codes of the answers."""
        return [each.code for each in answers_in(transport.value())]

    def after(self, transport: Wire, seconds: float) -> tuple[list[int], str]:
        """What a client has got, and how it was closed, when some time has passed."""
        self.fronting.wait(seconds)
        return self.codes(transport), transport.closed


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


class LeavingTests(FrontTestCase):
    """The way to the end."""

    def test_nobody(self) -> None:
        """It is at its end at once where nobody is."""
        self.successResultOf(self.front.leave(True))

    def test_idle(self) -> None:
        """Who waits for nothing is closed at once, and told nothing."""
        transport = self.fronting.send(ask())
        self.successResultOf(self.front.leave(True))
        self.assertEqual((self.codes(transport), transport.closed), ([200], "lose"))
        self.assertEqual(self.fronting.clock.getDelayedCalls(), [])

    def test_in_flight(self) -> None:
        """Who waits for an answer gets it, learns that it is the last, and is closed then."""
        transport = self.fronting.send(ask("GET /wait HTTP/1.1"))
        done = self.front.leave(False)
        self.assertEqual((self.after(transport, 30), done.called), (([], ""), False))
        self.gateway.answer()
        (answer,) = answers_in(transport.value())
        self.assertEqual((answer.body, answer.headers["Connection"]), (b"waited", "close"))
        self.assertEqual(transport.closed, "lose")
        self.successResultOf(done)

    def test_half_answered(self) -> None:
        """An answer that had begun is sent to its end, and the connection closed then."""
        transport = self.fronting.send(ask("GET /wait HTTP/1.1"))
        request = self.gateway.waiting.pop()
        request.write(b"a")
        done = self.front.leave(False)
        request.write(b"b")
        request.finish()
        self.assertTrue(transport.value().endswith(b"1\r\nb\r\n0\r\n\r\n"))
        self.successResultOf(done)

    def test_half_asked(self) -> None:
        """What has been asked in part is listened to, and answered, once."""
        channel, transport = self.fronting.connect()
        channel.dataReceived(ask() + ask()[:5])
        done = self.front.leave(False)
        channel.dataReceived(ask()[5:] + ask())
        self.assertEqual((self.codes(transport), transport.closed), ([200, 200], "half"))
        transport.lost()
        self.successResultOf(done)

    def test_fresh(self) -> None:
        """Who has only just connected is listened to: as long as ever, or half a second in a hurry."""
        channel, _ = self.fronting.connect()
        _, silent = self.fronting.connect()
        done = self.front.leave(True)
        self.fronting.wait(2)
        channel.dataReceived(ask())
        self.assertEqual((silent.closed, done.called), ("", False))
        hurried = self.front.leave(False)
        self.fronting.wait(1)
        self.assertEqual(silent.closed, "lose")
        self.successResultOf(done)
        self.successResultOf(hurried)

    def test_connects_late(self) -> None:
        """Who connects meanwhile is answered once too."""
        self.fronting.send(ask("GET /wait HTTP/1.1"))
        self.front.leave(False)
        transport = self.fronting.send(ask() + ask())
        self.assertEqual(self.codes(transport), [200])
        self.assertEqual(answers_in(transport.value())[0].headers["Connection"], "close")

    def test_abort(self) -> None:
        """In the end, all are cut off."""
        transports = [self.fronting.send(ask(f"GET {path} HTTP/1.1")) for path in ("/", "/wait")]
        self.front.abort()
        self.assertEqual([each.closed for each in transports], ["abort", "abort"])
        self.assertEqual(self.front.connections, 0)
