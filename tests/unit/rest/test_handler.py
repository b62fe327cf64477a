"""The request handler for HTTP."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.rest.http_connection import FakeGateway, raw, responses_in
from tests.unit.support.memory_connection import Actions
from unixsvc.config.settings import Limits, Security
from unixsvc.rest.handler import HttpRequestHandler
from unixsvc.server.context import HandlerContext
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.testing import MemoryEndpoint


class HandlerTests(SynchronousTestCase):
    """Connections from the first to the last."""

    def setUp(self) -> None:
        """Start a service that listens."""
        self.clock, self.endpoint, self.gateway = Clock(), MemoryEndpoint(), FakeGateway()
        context = HandlerContext("x", Actions(), self.endpoint, Limits(), Security(), self.clock)
        self.handler = HttpRequestHandler(context, lambda given: self.gateway)
        self.successResultOf(self.start(self.handler.listen()))

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Start a coroutine."""
        return Deferred.fromCoroutine(coroutine)

    def test_interface(self) -> None:
        """It provides IRequestHandler, and is made from a HandlerContext alone."""
        context = HandlerContext("x", Actions(), self.endpoint, Limits(), Security(), self.clock)
        verifyObject(IRequestHandler, HttpRequestHandler(context))

    def test_serves(self) -> None:
        """It passes requests to its gateway, and counts connections."""
        channel, transport = self.endpoint.connect()
        channel.dataReceived(raw())
        self.assertEqual(responses_in(transport.value())[0].code, 200)
        self.assertEqual((self.handler.connections(), len(self.gateway.requests)), (1, 1))

    def test_close(self) -> None:
        """It accepts clients that are in the backlog before it closes the port; connections stay open."""
        channel, transport = self.endpoint.connect()
        closed = self.start(self.handler.close())
        self.assertTrue(self.endpoint.listening)
        channel.dataReceived(raw())
        self.clock.pump([0.1, 0.1])
        self.successResultOf(closed)
        self.successResultOf(self.start(self.handler.close()))
        self.assertEqual((self.endpoint.listening, transport.closed), (False, ""))

    def test_drain(self) -> None:
        """It closes the port, completes pending requests, and is done when all connections are closed."""
        channel, transport = self.endpoint.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        done = self.handler.stopService()
        self.clock.pump([0.1, 0.1])
        self.assertFalse(self.endpoint.listening)
        self.gateway.respond()
        self.assertEqual((len(responses_in(transport.value())), transport.closed), (1, "lose"))
        self.assertNoResult(done)
        channel.connectionLost(None)
        self.successResultOf(done)

    def test_wait_for_idle(self) -> None:
        """Idle clients are waited for until drain is called without wait_for_idle."""
        _, transport = self.endpoint.connect()
        self.start(self.handler.drain(wait_for_idle=True))
        self.clock.pump([0.5] * 4)
        self.assertEqual(transport.closed, "")
        self.start(self.handler.drain())
        self.clock.pump([0.25] * 4)
        self.assertEqual(transport.closed, "lose")

    def test_abort(self) -> None:
        """Pending requests get 503, and are cut off a moment later."""
        channel, transport = self.endpoint.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        _, silent = self.endpoint.connect()
        self.handler.abort()
        (response,) = responses_in(transport.value())
        self.assertEqual((response.code, response.headers["Connection"]), (503, "close"))
        self.assertEqual((transport.closed, silent.closed), ("lose", ""))
        self.clock.pump([0.25] * 3)
        self.assertEqual((transport.closed, silent.closed), ("abort", "abort"))
