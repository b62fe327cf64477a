"""HTTP clients that do not take their responses."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_connection import ClosingTransport, ServerHarness, raw
from tests.unit.rest.http_requests import GatewayHarness, RawClient
from unixsvc import GET
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits
from unixsvc.testing import MemoryTransport

_MIB = 1 << 20
_LIMITS = Limits(max_buffered_bytes=4 * _MIB, max_message_bytes=_MIB)


class UnsentTests(SynchronousTestCase):
    """The budget has 3 MiB for unsent responses."""

    def setUp(self) -> None:
        """Start a server."""
        self.harness = ServerHarness(Http(send_timeout=60), _LIMITS)
        self.budget = self.harness.connections.budget

    def slow_client(self, size: int, *headers: str) -> tuple[Any, ClosingTransport]:
        """A client that does not take so many bytes of a response."""
        channel, transport = self.harness.connect()
        # As with real transports, the connection is lost later.
        transport.abortConnection = partial(MemoryTransport.abortConnection, transport)  # type: ignore[method-assign]
        transport.unsent, transport.slow = size, True
        channel.dataReceived(raw("GET / HTTP/1.1", *headers))
        return channel, transport

    def test_counted(self) -> None:
        """What the transport cannot send is counted until it is sent."""
        channel, transport = self.slow_client(2 * _MIB)
        self.assertFalse(self.budget.has_room(_MIB + 1))
        transport.unsent = 0
        channel.resumeProducing()
        self.assertTrue(self.budget.has_room(3 * _MIB))

    def test_last_response(self) -> None:
        """So is the last response of a connection, after which no transport says that it is sent."""
        channel, transport = self.harness.connect()
        transport.loseConnection = lambda: None  # type: ignore[method-assign]  # as long as bytes are unsent
        transport.unsent = 2 * _MIB
        channel.dataReceived(raw("GET / HTTP/1.1", "Connection: close"))
        self.harness.wait(1)
        self.assertFalse(self.budget.has_room(_MIB + 1))
        transport.unsent = 0
        self.harness.wait(1)
        self.assertTrue(self.budget.has_room(3 * _MIB))

    def test_lost(self) -> None:
        """The memory of a connection that is lost is free in the next turn of the event loop."""
        _, transport = self.slow_client(2 * _MIB)
        transport.lose()
        self.assertFalse(self.budget.has_room(_MIB + 1))
        self.harness.wait(0.25)
        self.assertTrue(self.budget.has_room(3 * _MIB))

    def test_aborted(self) -> None:
        """A client that exceeds the budget is disconnected."""
        clients = [self.slow_client(_MIB)[1] for _ in range(4)]
        self.assertEqual([each.closed for each in clients], [""] * 3 + ["abort"])

    def test_stalled(self) -> None:
        """While others wait, a client that takes nothing is disconnected."""
        (_, transport), *_ = [self.slow_client(2 * _MIB), self.slow_client(_MIB // 2)]
        for _ in range(2):
            self.harness.send(raw("POST / HTTP/1.1", "Content-Length: 9", body=b"a"))
        self.harness.wait(3)
        self.assertEqual(transport.closed, "abort")


class LateResponseTests(SynchronousTestCase):
    """Large responses to requests that were not answered at once."""

    def setUp(self) -> None:
        """Start a server, and send it a request."""
        self.reply: Deferred[str] = Deferred()
        self.harness = GatewayHarness(GET("/later", self._later, public=True))
        self.client = RawClient(self.harness.site)
        self.client.request("GET", "/later")

    async def _later(self) -> str:
        return await self.reply

    def use_memory(self, size: int) -> None:
        """Have another client not take so many bytes."""
        transport = RawClient(self.harness.site).transport
        transport.unsent = size
        self.harness.connections.unsent.update(transport)

    def test_room(self) -> None:
        """One for which there is room is sent."""
        self.use_memory(62 * _MIB)
        self.reply.callback("a" * 100_000)
        self.assertIn(b"a" * 100_000, self.client.received())

    def test_no_room(self) -> None:
        """One for which there is none when it is there is not written: the connection is aborted."""
        self.use_memory(63 * _MIB)
        self.reply.callback("a" * 100_000)
        self.assertEqual((self.client.transport.closed, self.client.received()), ("abort", b""))
