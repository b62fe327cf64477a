"""The request handler for Unix sockets."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.support.memory_connection import Actions
from unixsvc.config.settings import Limits, Security
from unixsvc.domain.message import Caller, Peer
from unixsvc.errors import Forbidden
from unixsvc.server.context import HandlerContext
from unixsvc.server.handler import SocketRequestHandler
from unixsvc.server.interfaces import IRequestHandler
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.testing import MemoryEndpoint
from unixsvc.testing.memory import MemoryTransport


class HandlerTests(SynchronousTestCase):
    """From the first client to the last."""

    def setUp(self) -> None:
        """A service that listens."""
        self.clock, self.endpoint = Clock(), MemoryEndpoint()
        limits = Limits(idle_timeout=8)
        context = HandlerContext("x", Actions(), self.endpoint, limits, Security(token="off"), self.clock)
        self.handler = SocketRequestHandler(context)
        self.run_to_end(self.handler.listen())

    def run_to_end(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that is done at once."""
        self.successResultOf(Deferred.fromCoroutine(coroutine))

    def test_interface(self) -> None:
        """It provides IRequestHandler."""
        verifyObject(IRequestHandler, self.handler)

    def test_counts(self) -> None:
        """It counts the connected clients."""
        connection, _ = self.endpoint.connect()
        self.endpoint.connect()
        self.assertEqual(self.handler.connections(), 2)
        connection.connectionLost()
        self.assertEqual(self.handler.connections(), 1)

    def test_checks_timeouts(self) -> None:
        """Time-outs are checked periodically."""
        _, transport = self.endpoint.connect()
        self.clock.pump([1] * 10)
        self.assertEqual(transport.closed, "lose")

    def test_close(self) -> None:
        """It accepts for a last moment before it stops; connected clients stay."""
        connection, transport = self.endpoint.connect()
        closed = Deferred.fromCoroutine(self.handler.close())
        self.assertTrue(self.endpoint.listening)
        connection.dataReceived(b'{"id":1}\n')
        self.clock.pump([0.1, 0.1])
        self.successResultOf(closed)
        self.assertFalse(self.endpoint.listening)
        self.assertEqual((len(transport.lines()), transport.closed), (1, ""))

    def test_drain(self) -> None:
        """It stops to accept, sends goaway, serves its clients, and is done when all have disconnected."""
        connection, transport = self.endpoint.connect()
        connection.dataReceived(b'{"id":1}\n')
        transport.clear()
        done = self.handler.stopService()
        self.clock.pump([0.1, 0.1])
        self.assertFalse(self.endpoint.listening)
        connection.dataReceived(b'{"id":2}\n')
        goaway, reply = transport.lines()
        self.assertEqual((goaway, reply["id"], transport.closed), ({"goaway": True}, 2, ""))
        connection.readConnectionLost()
        self.assertEqual(transport.closed, "lose")
        self.assertNoResult(done)
        connection.connectionLost()
        self.successResultOf(done)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_wait_for_idle(self) -> None:
        """A drain that does not wait for idle clients checks for them often."""
        _, transport = self.endpoint.connect()
        self.handler.stopService()
        self.clock.pump([0.1] * 6)
        self.assertEqual(transport.closed, "")
        self.clock.pump([0.1] * 3)
        self.assertEqual(transport.closed, "lose")

    def test_wait_for_idle(self) -> None:
        """A drain that waits for idle clients gives them the usual idle time-out."""
        _, transport = self.endpoint.connect()
        done = Deferred.fromCoroutine(self.handler.drain(True))
        self.clock.pump([1] * 7)
        self.assertEqual(transport.closed, "")
        self.clock.pump([1] * 2)
        self.assertEqual(transport.closed, "lose")
        self.assertNoResult(done)

    def test_reported_late(self) -> None:
        """A client that was accepted before the drain, and reported during it, is served to its end."""
        connection, _ = self.endpoint.connect()
        done = self.handler.stopService()
        self.clock.pump([0.1, 0.1])
        late, transport = self.endpoint.connect()
        self.clock.advance(0)
        late.dataReceived(b'{"data":{"a":1}}\n')
        self.assertEqual((transport.lines(), transport.closed), ([{"a": 1}], "lose"))
        connection.connectionLost()
        self.assertNoResult(done)
        late.connectionLost()
        self.successResultOf(done)

    def test_abort_during_drain(self) -> None:
        """An abort answers pending requests with 503 and closes."""
        connection, transport = self.endpoint.connect()
        connection.dataReceived(b'{"id":1,"path":"/wait","data":{"n":1}}\n')
        done = self.handler.stopService()
        self.clock.pump([0.1, 0.1])
        transport.clear()
        self.handler.abort()
        self.assertEqual([each["code"] for each in transport.lines()], [503])
        self.assertEqual(transport.closed, "lose")
        connection.connectionLost()
        self.successResultOf(done)

    def test_secret(self) -> None:
        """The repr of the context does not show the token."""
        context = HandlerContext("x", Actions(), self.endpoint, Limits(), Security(), self.clock, "secret")
        self.assertNotIn("secret", f"{context} {context!r}")

    def test_never_listened(self) -> None:
        """A handler that has never listened is drained at once."""
        context = HandlerContext("x", Actions(), self.endpoint, Limits(), Security(), self.clock)
        handler = SocketRequestHandler(context)
        self.run_to_end(handler.close())
        self.run_to_end(handler.drain())
        self.successResultOf(handler.stopService())

    def test_health_check(self) -> None:
        """A drain during the health check closes the connection of that."""
        context = HandlerContext("x", Actions(), self.endpoint, Limits(), Security(), self.clock)
        handler = SocketRequestHandler(context)
        connection, transport = handler._factory.buildProtocol(None), MemoryTransport()
        connection.makeConnection(transport)
        done = Deferred.fromCoroutine(handler.drain())
        self.clock.pump([0.1] * 9)
        self.assertEqual(transport.closed, "lose")
        connection.connectionLost()
        self.successResultOf(done)


class PeerRulesTests(SynchronousTestCase):
    """Which processes may connect."""

    def refused(self, security: Security, peer: Peer) -> bool:
        """True if a peer is refused."""
        context = HandlerContext("x", Actions(), MemoryEndpoint(), Limits(), security, Clock())
        registry = ConnectionRegistry(Actions(), Limits(), security, Clock(), context.peer_rule)

        class Anyone:
            transport: Any = None
            peer = Peer()
            received = 0

            def check_time(self, now: float, *, wait_for_idle: bool) -> None: ...
            def drain(self) -> None: ...
            def abort(self) -> None: ...
            def pending_calls(self) -> list[Any]:
                return []

            def review_caller(self, review: Callable[[Caller], bool]) -> None: ...

        return isinstance(registry.opened(Anyone(), Caller(peer)), Forbidden)

    def test_no_rules(self) -> None:
        """Without rules, every peer may connect."""
        self.assertFalse(self.refused(Security(), Peer()))

    def test_listed(self) -> None:
        """With rules, listed users and groups may connect."""
        security = Security(allow_uids=(5,), allow_gids=(7,))
        self.assertFalse(self.refused(security, Peer(5, 1, 1)))
        self.assertFalse(self.refused(security, Peer(1, 7, 1)))
        self.assertTrue(self.refused(security, Peer(7, 5, 1)))
        self.assertTrue(self.refused(security, Peer()))

    def test_own_process(self) -> None:
        """The process itself may always connect, for its health check; another one of its user may not."""
        security = Security(allow_uids=(5,), allow_gids=(7,))
        uid, gid = os.getuid() + 10, os.getgid() + 10
        self.assertFalse(self.refused(security, Peer(uid, gid, os.getpid())))
        self.assertTrue(self.refused(security, Peer(uid, gid, os.getpid() + 1)))
