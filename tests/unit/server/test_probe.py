"""A service asks itself, over real sockets: only these show who is at the other end."""

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
from unixsvc.listen.endpoint import OwnedUNIXServerEndpoint
from unixsvc.server.context import HandlerContext
from unixsvc.server.handler import SocketRequestHandler
from unixsvc.server.probe import probe

TOKEN = "ab" * 32


@implementer(IHandleMessage)
class Health:
    """Answers everything alike.

    :ivar seen: all requests.
    """

    def __init__(self, error: ServiceError | None = None) -> None:
        self.seen: list[Request] = []
        self._reply = error_to_reply(error) if error else Reply(200, b'{"status":"ok"}')

    def seconds_for(self, request: Request) -> float:
        """Long enough."""
        return 30.0

    def __call__(self, request: Request) -> Reply:
        """Answer."""
        self.seen.append(request)
        return self._reply


class Saying(Protocol):
    """A service that says something, whatever it is asked, and closes."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def dataReceived(self, data: bytes) -> None:
        """Say it."""
        transport: Any = self.transport
        transport.write(self._said)
        transport.loseConnection()


class ProbeTestCase(TestCase):
    """Has the reactor, and an endpoint that never listens."""

    def setUp(self) -> None:
        """Find it."""
        from twisted.internet import reactor  # here: to import it is to choose it

        self.reactor: Any = reactor
        self.endpoint = OwnedUNIXServerEndpoint(reactor, "/nowhere/x.sock", 1, 0o600)


class HandlerTests(ProbeTestCase):
    """The request handler of sockets."""

    async def probed(self, health: Health, security: Security | None = None) -> None:
        """Have one ask itself; done when the connection for that is gone as well."""
        handler_context = HandlerContext(
            "x", health, self.endpoint, Limits(), security or Security(), self.reactor, TOKEN
        )
        handler = SocketRequestHandler(handler_context)
        try:
            await handler.probe()
        finally:
            await handler.drain()
            self.assertEqual(handler.connections(), 0)

    async def test_well(self) -> None:
        """It asks as a client would: for the health, with the token, by way of the protocol."""
        health = Health()
        await self.probed(health)
        [request] = health.seen
        self.assertEqual((request.method, request.path, request.auth_token), ("GET", "/-/health", TOKEN))
        self.assertEqual(request.peer.pid, os.getpid())

    async def test_unwell(self) -> None:
        """An answer that is a failure is raised, with its detail."""
        for error in (Unavailable(7), ServiceError()):
            with self.assertRaises(ServiceError) as caught:
                await self.probed(Health(error))
            self.assertEqual((caught.exception.code, caught.exception.detail), (error.code, error.detail))

    async def test_excluded(self) -> None:
        """We may ask ourselves, whoever else may connect."""
        nobody = os.getuid() + os.getgid() + 1
        for security in (Security(allow_uids=(nobody,)), Security(allow_gids=(nobody,))):
            health = Health()
            await self.probed(health, security)
            self.assertEqual(len(health.seen), 1)


class OtherTests(ProbeTestCase):
    """Services that do not answer as they should."""

    async def asked(self, said: bytes) -> None:
        """Ask one that says this."""
        factory = Factory.forProtocol(_always(Saying(said)))
        factory.noisy = False
        await probe(self.reactor, self.endpoint, factory, TOKEN)

    async def test_closes(self) -> None:
        """One that closes the connection without an answer, or before its end, fails."""
        for said in (b"", b'{"id":"probe","code":200'):
            with self.assertRaises(ConnectionResetError) as caught:
                await self.asked(said)
            self.assertIn("without a reply", str(caught.exception))

    async def test_nonsense(self) -> None:
        """A reply that is not a message of the protocol, or has another id, fails."""
        for said in (b"hello\n", b"{}\n", b'{"id":"probe","code":"x"}\n'):
            with self.assertRaises(BadGateway):
                await self.asked(said)

    async def test_goes(self) -> None:
        """One that is told to end meanwhile has answered all the same, whatever it says after that."""
        await self.asked(b'{"id":"probe","code":200,"data":null}\n{"goaway":true}\n')


def _always(protocol: Protocol) -> Callable[[], Protocol]:
    return lambda: protocol
