"""HTTP as a service that listens."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.resource import Resource
from zope.interface.verify import verifyObject

from tests.unit.rest.http_connection import FakeGateway, raw, responses_in
from tests.unit.server.test_probe import Saying
from tests.unit.support.memory_connection import Actions
from unixsvc.config.settings import Limits, Security
from unixsvc.errors import BadGateway, Unavailable
from unixsvc.listen.endpoint import OwnedUNIXServerEndpoint
from unixsvc.rest.handler import HttpRequestHandler
from unixsvc.rest.problem import problem
from unixsvc.server.handler import HandlerContext
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.testing import MemoryEndpoint


class HandlerTests(SynchronousTestCase):
    """From the first client to the last."""

    def setUp(self) -> None:
        """A service that listens."""
        self.clock, self.endpoint, self.gateway = Clock(), MemoryEndpoint(), FakeGateway()
        context = HandlerContext("x", Actions(), self.endpoint, Limits(), Security(), self.clock)
        self.handler = HttpRequestHandler(context, lambda given: self.gateway)
        self.successResultOf(self.start(self.handler.listen()))

    def start(self, coroutine: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Begin to await something."""
        return Deferred.fromCoroutine(coroutine)

    def test_interface(self) -> None:
        """It is what a configuration may name as a handler, made from a Handling alone."""
        context = HandlerContext("x", Actions(), self.endpoint, Limits(), Security(), self.clock)
        verifyObject(IRequestHandler, HttpRequestHandler(context))

    def test_serves(self) -> None:
        """Its clients ask its gateway, and it knows how many they are."""
        channel, transport = self.endpoint.connect()
        channel.dataReceived(raw())
        self.assertEqual(responses_in(transport.value())[0].code, 200)
        self.assertEqual((self.handler.connections(), len(self.gateway.requests)), (1, 1))

    def test_close(self) -> None:
        """It has a last look at what was sent before it stops to accept; those who are connected stay."""
        channel, transport = self.endpoint.connect()
        closed = self.start(self.handler.close())
        self.assertTrue(self.endpoint.listening)
        channel.dataReceived(raw())
        self.clock.pump([0.1, 0.1])
        self.successResultOf(closed)
        self.successResultOf(self.start(self.handler.close()))
        self.assertEqual((self.endpoint.listening, transport.closed), (False, ""))

    def test_drain(self) -> None:
        """It stops to accept, finishes what is asked, and is done when all are gone."""
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

    def test_patience(self) -> None:
        """Who has said nothing is waited for, until there is a hurry."""
        _, transport = self.endpoint.connect()
        self.start(self.handler.drain(wait_for_idle=True))
        self.clock.pump([0.5] * 4)
        self.assertEqual(transport.closed, "")
        self.start(self.handler.drain())
        self.clock.pump([0.25] * 4)
        self.assertEqual(transport.closed, "lose")

    def test_abort(self) -> None:
        """What is unanswered is refused, and so that clients hear it, they are cut off a moment later."""
        channel, transport = self.endpoint.connect()
        channel.dataReceived(raw("GET /wait HTTP/1.1"))
        _, silent = self.endpoint.connect()
        self.handler.abort()
        (answer,) = responses_in(transport.value())
        self.assertEqual((answer.code, answer.headers["Connection"]), (503, "close"))
        self.assertEqual((transport.closed, silent.closed), ("lose", ""))
        self.clock.pump([0.25] * 3)
        self.assertEqual((transport.closed, silent.closed), ("abort", "abort"))


class Health(Resource):
    """A gateway that answers everything alike.

    :ivar requests: what was asked, and with which token.
    """

    isLeaf = True

    def __init__(self, code: int, body: bytes) -> None:
        super().__init__()
        self.requests: list[tuple[bytes, str | None]] = []
        self._code, self._body = code, body

    def render(self, request: Any) -> bytes:
        """Answer."""
        self.requests.append((request.path, request.getHeader("Authorization")))
        request.setResponseCode(self._code)
        return self._body


class ProbeTests(TestCase):
    """It asks itself, over a real socket; its endpoint never listens."""

    def setUp(self) -> None:
        """Nothing listens."""
        from twisted.internet import reactor  # here: to import it is to choose it

        self.reactor: Any = reactor
        self.endpoint = OwnedUNIXServerEndpoint(self.reactor, "/nowhere/x.sock", 1, 0o600)

    def handler(self, gateway: Health, token: str = "") -> HttpRequestHandler:
        """A service."""
        context = HandlerContext("x", Actions(), self.endpoint, Limits(), Security(), self.reactor, token)
        return HttpRequestHandler(context, lambda given: gateway)

    async def test_well(self) -> None:
        """It asks for its health with its token, and leaves nothing behind."""
        gateway = Health(200, b"{}")
        handler = self.handler(gateway, "abc")
        await handler.probe()
        self.assertEqual(gateway.requests, [(b"/-/health", "Bearer abc")])
        await handler.drain()
        self.assertEqual(handler.connections(), 0)

    async def test_ill(self) -> None:
        """What it is told is raised."""
        handler = self.handler(Health(503, problem(503, "Service unavailable", "the store is gone")))
        with self.assertRaises(Unavailable) as caught:
            await handler.probe()
        self.assertEqual(caught.exception.detail, "the store is gone")
        await handler.drain()

    async def test_no_problem(self) -> None:
        """So is a failure whose body says nothing."""
        handler = self.handler(Health(503, b"<html>"))
        with self.assertRaises(Unavailable):
            await handler.probe()
        await handler.drain()

    async def test_nonsense(self) -> None:
        """An answer that is no HTTP is a failure too, and so is none."""
        handler = self.handler(Health(200, b""))
        for said, raised in (
            (b"hello", BadGateway),
            (b"HTTP/1.1 soon", BadGateway),
            (b"SIP/2.0 200 OK", BadGateway),
            (b"", ConnectionError),
        ):
            handler._site = Factory.forProtocol(partial(Saying, said))  # type: ignore[assignment]
            with self.assertRaises(raised):
                await handler.probe()
