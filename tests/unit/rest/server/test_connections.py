"""The time-outs and the number of HTTP connections."""

from __future__ import annotations

import socket
import struct
from typing import Any

from msgspec.structs import replace
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.interfaces import IAddress, ISystemHandle
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.rest.http_connection import (
    HTTP,
    LIMITS,
    ClosingTransport,
    FakeGateway,
    ServerHarness,
    ServerTestCase,
    raw,
    responses_in,
)
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.web.site import HttpSite
from unixsvc.telemetry.connection_log import ConnectionLog

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
        self.harness = ServerHarness(limits=replace(LIMITS, max_connections=2))

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


class CredentialsSocket(socket.socket):
    """A socket whose peer is a process of a certain user.

    :ivar uid: of the user.
    """

    uid = 0

    def getsockopt(self, *arguments: Any) -> Any:
        """The credentials."""
        return struct.pack("3i", 1, self.uid, self.uid)


@implementer(ISystemHandle)
class UserTransport(ClosingTransport):
    """A transport of a Unix socket.

    :ivar handle: the socket.
    """

    handle: CredentialsSocket

    def getHandle(self) -> CredentialsSocket:
        """The socket."""
        return self.handle


class UserTests(SynchronousTestCase):
    """Connections on Unix sockets by the user that the kernel reports."""

    def start(self, **limits: int) -> None:
        """Start a server with 20 connections, 2 of them for root and user 500."""
        self.log = ConnectionLog("http")
        self.connections = HttpConnections(
            HTTP, replace(LIMITS, max_connections=20, **limits), Clock(), self.log, owner=500
        )
        self.site = HttpSite(FakeGateway(), self.connections)

    def connect(self, uid: int, host: IAddress | None = None) -> tuple[Any, UserTransport]:
        """Connect a user; the server's protocol and its transport."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        transport = UserTransport()
        transport.hostAddr = host or UNIXAddress("/run/http.sock")
        transport.handle = CredentialsSocket(fileno=ours.detach())
        self.addCleanup(transport.handle.close)
        transport.handle.uid = uid
        channel = self.site.buildProtocol(None)
        transport.protocol = channel
        channel.makeConnection(transport)
        return channel, transport

    def refused(self, uid: int, times: int, host: IAddress | None = None) -> int:
        """How many of so many connections of a user get 503."""
        transports = [self.connect(uid, host)[1] for _ in range(times)]
        return sum(responses_in(each.value())[0].code == 503 for each in transports if each.value())

    def test_quota(self) -> None:
        """A user may have so many; another user, root and the orchestrator's user connect all the same."""
        self.start(max_connections_per_user=10)
        self.assertEqual(self.refused(1, 12), 2)
        self.assertEqual((self.refused(2, 8), self.refused(2, 1)), (0, 1))
        self.assertEqual((self.refused(0, 1), self.refused(500, 1)), (0, 0))

    def test_logged(self) -> None:
        """A refused connection is logged with its user."""
        self.start(max_connections_per_user=10)
        with capturedLogs() as events:
            self.refused(1, 11)
        self.assertEqual(
            [formatEvent(event) for event in events],
            ["a connection from user 1 (process 1) was refused: 10 are open"],
        )

    def test_closed(self) -> None:
        """A place becomes free when a connection closes, not when a refused one does."""
        self.start(max_connections_per_user=10)
        _, served = self.connect(1)
        self.assertEqual(self.refused(1, 9), 0)
        _, refused = self.connect(1)
        refused.lose()
        self.assertEqual(self.refused(1, 1), 1)
        served.lose()
        self.assertEqual(self.refused(1, 1), 0)

    def test_not_set(self) -> None:
        """By default there is no limit: a reverse proxy has nearly all connections, as one user."""
        self.start()
        self.assertEqual((self.refused(33, 20), self.refused(33, 1)), (0, 1))

    def test_tcp(self) -> None:
        """Over TCP there are no users."""
        self.start(max_connections_per_user=10)
        self.assertEqual(self.refused(1, 20, IPv4Address("TCP", "127.0.0.1", 80)), 0)
