"""How HTTP connections come to their end, when a worker leaves."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import ISystemHandle
from zope.interface import implementer

from tests.unit.rest.http_connection import ClosingTransport, ServerHarness, ServerTestCase, raw, responses_in
from unixsvc.rest.server.timeouts import ConnectionPhase


@implementer(ISystemHandle)
class Told(ClosingTransport):
    """A transport with a socket, of which nothing is read.

    :ivar client: the other end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.client, self.server = socket.socketpair()

    def getHandle(self) -> Any:
        """Our end."""
        return self.server

    def close(self) -> None:
        """Close both."""
        self.client.close()
        self.server.close()


class LeavingTests(ServerTestCase):
    """The way to the end."""

    def test_nobody(self) -> None:
        """It is at its end at once where nobody is."""
        self.successResultOf(self.connections.drain(True))

    def test_idle(self) -> None:
        """Who waits for nothing is closed at once in a hurry, and told nothing."""
        transport = self.harness.send(raw())
        self.successResultOf(self.connections.drain(False))
        self.assertEqual((self.codes(transport), transport.closed), ([200], "lose"))
        self.assertEqual(self.harness.clock.getDelayedCalls(), [])

    def test_on_its_way(self) -> None:
        """With patience, who waits for nothing has a second: what comes by then is answered, once."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw())
        silent = self.harness.send(raw())
        self.harness.wait(10)
        done = self.connections.drain(True)
        self.harness.wait(1)
        self.assertEqual((silent.closed, done.called), ("", False))
        channel.dataReceived(raw() + raw())
        self.assertEqual((self.codes(transport), transport.closed), ([200, 200], "half"))
        self.assertEqual(responses_in(transport.value())[1].headers["Connection"], "close")
        self.assertEqual(self.after(silent, 0.5), ([200], "lose"))
        transport.lost()
        self.successResultOf(done)

    def test_hurried(self) -> None:
        """When a hurry comes after all, it is closed at once; and it stays a hurry."""
        transport = self.harness.send(raw())
        self.harness.connect()
        self.connections.drain(True)
        self.assertEqual(transport.closed, "")
        self.connections.drain(False)
        self.assertEqual(transport.closed, "lose")
        self.connections.drain(True)
        self.assertEqual(self.connections.timeout(ConnectionPhase.DRAINING), 0.0)
        self.harness.wait(1)
        self.assertEqual(len(self.connections), 0)

    def test_just_now(self) -> None:
        """Who is closed is not who has just said something that is not read yet."""
        for wait_for_idle, seconds in ((True, 2), (False, 1)):
            harness = ServerHarness()
            transport = Told()
            self.addCleanup(transport.close)
            channel = harness.site.buildProtocol(None)
            transport.protocol = channel
            channel.makeConnection(transport)
            channel.dataReceived(raw())
            transport.client.send(raw())
            harness.connections.drain(wait_for_idle)
            harness.wait(seconds)
            self.assertEqual(transport.closed, "")
            transport.server.recv(1000)
            harness.wait(0.5)
            self.assertEqual(transport.closed, "lose")

    def test_in_flight(self) -> None:
        """Who waits for an answer gets it, learns that it is the last, and is closed then."""
        transport = self.harness.send(raw("GET /wait HTTP/1.1"))
        done = self.connections.drain(False)
        self.assertEqual((self.after(transport, 30), done.called), (([], ""), False))
        self.gateway.answer()
        (answer,) = responses_in(transport.value())
        self.assertEqual((answer.body, answer.headers["Connection"]), (b"waited", "close"))
        self.assertEqual(transport.closed, "lose")
        self.successResultOf(done)

    def test_half_answered(self) -> None:
        """An answer that had begun is sent to its end, and the connection closed then."""
        transport = self.harness.send(raw("GET /wait HTTP/1.1"))
        request = self.gateway.pending.pop()
        request.write(b"a")
        done = self.connections.drain(False)
        request.write(b"b")
        request.finish()
        self.assertTrue(transport.value().endswith(b"1\r\nb\r\n0\r\n\r\n"))
        self.successResultOf(done)

    def test_half_asked(self) -> None:
        """What has been asked in part is listened to, and answered, once."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw() + raw()[:5])
        done = self.connections.drain(False)
        channel.dataReceived(raw()[5:] + raw())
        self.assertEqual((self.codes(transport), transport.closed), ([200, 200], "half"))
        transport.lost()
        self.successResultOf(done)

    def test_fresh(self) -> None:
        """Who has only just connected is listened to: as long as ever, or half a second in a hurry."""
        channel, _ = self.harness.connect()
        _, silent = self.harness.connect()
        done = self.connections.drain(True)
        self.harness.wait(2)
        channel.dataReceived(raw())
        self.assertEqual((silent.closed, done.called), ("", False))
        hurried = self.connections.drain(False)
        self.harness.wait(1)
        self.assertEqual(silent.closed, "lose")
        self.successResultOf(done)
        self.successResultOf(hurried)

    def test_connects_late(self) -> None:
        """Who connects meanwhile is answered once too."""
        self.harness.send(raw("GET /wait HTTP/1.1"))
        self.connections.drain(False)
        transport = self.harness.send(raw() + raw())
        self.assertEqual(self.codes(transport), [200])
        self.assertEqual(responses_in(transport.value())[0].headers["Connection"], "close")

    def test_abort(self) -> None:
        """In the end, all are cut off."""
        transports = [self.harness.send(raw(f"GET {path} HTTP/1.1")) for path in ("/", "/wait")]
        self.connections.abort()
        self.assertEqual([each.closed for each in transports], ["abort", "abort"])
        self.assertEqual(len(self.connections), 0)
