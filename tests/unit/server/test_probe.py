"""The health check over real sockets, which alone show who the peer is."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from unixsvc.config.settings import Limits, Security
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import BadGateway, ServiceError, Unavailable
from unixsvc.listen.endpoint import BoundUNIXServerEndpoint
from unixsvc.server.context import HandlerContext
from unixsvc.server.handler import SocketRequestHandler
from unixsvc.server.probe import probe

TOKEN = "ab" * 32


@implementer(IHandleMessage)
class Health:
    """Answers everything alike.

    :ivar requests: all requests.
    """

    def __init__(self, error: ServiceError | None = None) -> None:
        self.requests: list[Request] = []
        self._reply = error_to_reply(error) if error else Reply(200, b'{"status":"ok"}')

    def track(self, request: Request) -> Callable[[int, int], None]:
        """There are no pages."""
        raise NotImplementedError

    def hold_back(self, wait: object) -> None:
        """Nothing waits."""

    def seconds_for(self, request: Request) -> float:
        """Long enough."""
        return 30.0

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        self.requests.append(request)
        return self._reply


class FixedReply(Protocol):
    """A server that sends fixed bytes and closes."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def dataReceived(self, data: bytes) -> None:
        """Send the bytes."""
        transport: Any = self.transport
        transport.write(self._said)
        transport.loseConnection()


class ProbeTestCase(TestCase):
    """A test with the reactor and an endpoint that never listens."""

    def setUp(self) -> None:
        """Get the reactor."""
        from twisted.internet import reactor  # here: to import it is to choose it

        self.reactor: Any = reactor
        self.endpoint = BoundUNIXServerEndpoint(reactor, lambda: (-1,))


class HandlerTests(ProbeTestCase):
    """The request handler for Unix sockets."""

    async def run_probe(self, health: Health, security: Security | None = None) -> None:
        """Run the health check; done when its connection is closed as well."""
        handler_context = HandlerContext(
            "x", health, self.endpoint, Limits(), security or Security(), self.reactor, TOKEN
        )
        handler = SocketRequestHandler(handler_context)
        try:
            await handler.probe()
        finally:
            await handler.drain()
            self.assertEqual(handler.connections(), 0)

    async def test_healthy(self) -> None:
        """It requests the health path with the token, as a client would."""
        health = Health()
        await self.run_probe(health)
        [request] = health.requests
        self.assertEqual((request.method, request.path, request.auth_token), ("GET", "/-/health", TOKEN))
        self.assertEqual(request.peer.pid, os.getpid())

    async def test_unhealthy(self) -> None:
        """An error reply is raised with its code and detail."""
        for error in (Unavailable(7), ServiceError()):
            with self.assertRaises(ServiceError) as caught:
                await self.run_probe(Health(error))
            self.assertEqual((caught.exception.code, caught.exception.detail), (error.code, error.detail))

    async def test_peer_rules(self) -> None:
        """Peer rules do not exclude the process itself."""
        other_id = os.getuid() + os.getgid() + 1
        for security in (Security(allow_uids=(other_id,)), Security(allow_gids=(other_id,))):
            health = Health()
            await self.run_probe(health, security)
            self.assertEqual(len(health.requests), 1)


class OtherTests(ProbeTestCase):
    """Servers that do not reply as they should."""

    async def probe_server(self, said: bytes) -> None:
        """Check a server that sends this."""
        factory = Factory.forProtocol(_always(FixedReply(said)))
        factory.noisy = False
        await probe(self.reactor, self.endpoint, factory, TOKEN)

    async def test_closes(self) -> None:
        """A connection that closes without a complete reply is an error."""
        for said in (b"", b'{"id":"probe","code":200'):
            with self.assertRaises(ConnectionResetError) as caught:
                await self.probe_server(said)
            self.assertIn("without a reply", str(caught.exception))

    async def test_nonsense(self) -> None:
        """A reply that is not a message of the protocol, or has another id, fails."""
        for said in (b"hello\n", b"{}\n", b'{"id":"probe","code":"x"}\n'):
            with self.assertRaises(BadGateway):
                await self.probe_server(said)

    async def test_ignores_the_rest(self) -> None:
        """Anything after the reply is ignored."""
        await self.probe_server(b'{"id":"probe","code":200,"data":null}\n{"goaway":true}\n')


def _always(protocol: Protocol) -> Callable[[], Protocol]:
    return lambda: protocol
