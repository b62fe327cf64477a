"""How HTTP connections end when a worker drains."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import ISystemHandle
from zope.interface import implementer

from tests.unit.rest.http_connection import ClosingTransport, ServerHarness, ServerTestCase, raw, responses_in
from unixsvc.rest.server.timeouts import ConnectionPhase


@implementer(ISystemHandle)
class SocketTransport(ClosingTransport):
    """A transport with a socket that is not read.

    :ivar client: the client's end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.client, self.server = socket.socketpair()

    def getHandle(self) -> Any:
        """The server's end."""
        return self.server

    def close(self) -> None:
        """Close both ends."""
        self.client.close()
        self.server.close()


class DrainTests(ServerTestCase):
    """The end of connections."""

    def test_no_connections(self) -> None:
        """Without connections, draining is complete at once."""
        self.successResultOf(self.connections.drain(True))

    def test_idle(self) -> None:
        """An idle connection is closed at once, without a response, if idle clients are not waited for."""
        transport = self.harness.send(raw())
        self.successResultOf(self.connections.drain(False))
        self.assertEqual((self.codes(transport), transport.closed), ([200], "lose"))
        self.assertEqual(self.harness.clock.getDelayedCalls(), [])

    def test_wait_for_idle(self) -> None:
        """If idle clients are waited for, one request that arrives within a second is answered."""
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
        transport.lose()
        self.successResultOf(done)

    def test_stops_waiting(self) -> None:
        """A second call can stop to wait for idle clients; a third one cannot wait again."""
        transport = self.harness.send(raw())
        self.harness.connect()
        self.connections.drain(True)
        self.assertEqual(transport.closed, "")
        self.connections.drain(False)
        self.assertEqual(transport.closed, "lose")
        self.connections.drain(True)
        self.assertEqual(self.connections.timeout(ConnectionPhase.DRAINING, authenticated=True), 0.0)
        self.harness.wait(1)
        self.assertEqual(len(self.connections), 0)

    def test_unread_request(self) -> None:
        """A connection is not closed while a request is in the socket's buffer."""
        for wait_for_idle, seconds in ((True, 2), (False, 1)):
            harness = ServerHarness()
            transport = SocketTransport()
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
        """A pending request is answered with Connection: close, and the connection is closed then."""
        transport = self.harness.send(raw("GET /wait HTTP/1.1"))
        done = self.connections.drain(False)
        self.assertEqual((self.after(transport, 30), done.called), (([], ""), False))
        self.gateway.respond()
        (response,) = responses_in(transport.value())
        self.assertEqual((response.body, response.headers["Connection"]), (b"waited", "close"))
        self.assertEqual(transport.closed, "lose")
        self.successResultOf(done)

    def test_response_in_progress(self) -> None:
        """A response that has started is sent completely, and the connection is closed then."""
        transport = self.harness.send(raw("GET /wait HTTP/1.1"))
        request = self.gateway.pending.pop()
        request.write(b"a")
        done = self.connections.drain(False)
        request.write(b"b")
        request.finish()
        self.assertTrue(transport.value().endswith(b"1\r\nb\r\n0\r\n\r\n"))
        self.successResultOf(done)

    def test_partial_request(self) -> None:
        """A request that has arrived in part is read and answered, and no other."""
        channel, transport = self.harness.connect()
        channel.dataReceived(raw() + raw()[:5])
        done = self.connections.drain(False)
        channel.dataReceived(raw()[5:] + raw())
        self.assertEqual((self.codes(transport), transport.closed), ([200, 200], "half"))
        transport.lose()
        self.successResultOf(done)

    def test_new_connection(self) -> None:
        """A new connection has its usual time, or half a second if idle clients are not waited for."""
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

    def test_late_connection(self) -> None:
        """A client that connects while the server drains gets one response."""
        self.harness.send(raw("GET /wait HTTP/1.1"))
        self.connections.drain(False)
        transport = self.harness.send(raw() + raw())
        self.assertEqual(self.codes(transport), [200])
        self.assertEqual(responses_in(transport.value())[0].headers["Connection"], "close")

    def test_abort(self) -> None:
        """Abort closes all connections."""
        transports = [self.harness.send(raw(f"GET {path} HTTP/1.1")) for path in ("/", "/wait")]
        self.connections.abort()
        self.assertEqual([each.closed for each in transports], ["abort", "abort"])
        self.assertEqual(len(self.connections), 0)
