"""The health check over HTTP."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.protocol import Factory
from twisted.trial.unittest import TestCase

from tests.unit.server.test_probe import FixedReply
from tests.unit.support.memory_connection import Actions
from unixsvc.config.settings import Limits, Security
from unixsvc.errors import BadGateway, Unavailable
from unixsvc.listen.endpoint import BoundUNIXServerEndpoint
from unixsvc.rest.handler import HttpRequestHandler
from unixsvc.rest.problem import problem
from unixsvc.rest.response import EMPTY, Response
from unixsvc.rest.server.request_head import Head
from unixsvc.server.context import HandlerContext


class Health:
    """A gateway with the same response to all requests.

    :ivar requests: the paths, the tokens and the hosts of requests.
    """

    def __init__(self, code: int, body: bytes) -> None:
        self.requests: list[tuple[bytes, str | None, str | None]] = []
        self._code, self._body = code, body

    def answer(self, head: Head, body: bytes, connection: object) -> Response:
        """Respond."""
        token, host = (head.fields.get(name, [b""])[0].decode() for name in (b"Authorization", b"Host"))
        self.requests.append((head.target, token or None, host))
        return Response(self._code, EMPTY, b"Content-Length: %d\r\n" % len(self._body), self._body)

    def drain(self) -> None:
        """There are no WebSockets."""


class ProbeTests(TestCase):
    """The health check over a real socket, without a listening port."""

    def setUp(self) -> None:
        """Start nothing."""
        from twisted.internet import reactor  # late: the import installs the reactor

        self.reactor: Any = reactor
        self.endpoint = BoundUNIXServerEndpoint(self.reactor, lambda: (-1,))

    def handler(self, gateway: Health, token: str = "") -> HttpRequestHandler:
        """A request handler."""
        context = HandlerContext("x", Actions(), self.endpoint, Limits(), Security(), self.reactor, token)
        return HttpRequestHandler(context, lambda given: gateway)

    async def test_healthy(self) -> None:
        """The health check sends the token, and leaves no connection."""
        gateway = Health(200, b"{}")
        handler = self.handler(gateway, "abc")
        await handler.probe()
        self.assertEqual(gateway.requests, [(b"/-/health", "Bearer abc", "")])
        await handler.drain()
        self.assertEqual(handler.connections(), 0)

    async def test_unhealthy(self) -> None:
        """An error response is raised."""
        handler = self.handler(Health(503, problem(503, "Service unavailable", "the store is gone")))
        with self.assertRaises(Unavailable) as caught:
            await handler.probe()
        self.assertEqual(caught.exception.detail, "the store is gone")
        await handler.drain()

    async def test_no_problem(self) -> None:
        """An error response without a problem is raised, too."""
        handler = self.handler(Health(503, b"<html>"))
        with self.assertRaises(Unavailable):
            await handler.probe()
        await handler.drain()

    async def test_malformed(self) -> None:
        """A response that is not HTTP, and a missing one, are errors."""
        handler = self.handler(Health(200, b""))
        for data, raised in (
            (b"hello", BadGateway),
            (b"HTTP/1.1 soon", BadGateway),
            (b"SIP/2.0 200 OK", BadGateway),
            (b"", ConnectionError),
        ):
            handler._site = Factory.forProtocol(partial(FixedReply, data))  # type: ignore[assignment]
            with self.assertRaises(raised):
                await handler.probe()
