"""Connections that are served before there is a transport: what random conversations do not show."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.server.accepted.world import TOKEN, World
from unixsvc.config.settings import Limits
from unixsvc.domain.message import Caller, Peer
from unixsvc.domain.request_context import set_current_request
from unixsvc.errors import Forbidden
from unixsvc.listen.interfaces import IServesDescriptors
from unixsvc.server.registry import ConnectionRegistry
from unixsvc.transport import peer as peers
from unixsvc.transport.credentials import credentials_of_descriptor

REQUEST = b'{"id":1}\n'
OWN = Peer(os.geteuid(), os.getegid(), os.getpid())


class FirstMessageTests(SynchronousTestCase):
    """One server, without a token."""

    def setUp(self) -> None:
        """Listen, in a context without what other tests have left: it would refer to requests."""
        set_current_request(None)
        self.world = World(Limits(max_connections=100), "off", at_once=True)
        self.addCleanup(self.world.close)

    def count_credentials(self) -> list[int]:
        """Record the descriptors whose credentials are read."""
        asked: list[int] = []

        def counted(descriptor: int) -> Peer:
            asked.append(descriptor)
            return credentials_of_descriptor(descriptor)

        self.patch(peers, "credentials_of_descriptor", counted)
        return asked

    def test_interface(self) -> None:
        """The factory provides IServesDescriptors."""
        verifyObject(IServesDescriptors, self.world.factory)

    def test_framed(self) -> None:
        """A client with one request is served without a transport, and counted until it disconnects."""
        client = self.world.connect(REQUEST)
        self.world.settle()
        self.assertEqual(client.received, b'{"id":1,"code":200,"data":{}}\n')
        self.assertEqual((self.world.ways, len(self.world.registry)), ([True], 1))
        self.assertEqual(self.world.slot.connections, 1)
        client.close()
        self.world.settle()
        self.assertEqual((len(self.world.registry), self.world.slot.connections), (0, 0))

    def test_unframed(self) -> None:
        """The one-message exchange is closed at once, and was accepted as any other."""
        client = self.world.connect(b'{"path":"/now"}')
        accepted = self.world.slot.least_loaded()[1]
        self.world.settle()
        self.assertEqual((client.received, client.ended, self.world.ways), (b"{}", "end", [True]))
        self.assertEqual((len(self.world.registry), self.world.slot.connections), (0, 0))
        self.assertEqual(self.world.slot.least_loaded()[1], accepted + 1)

    def test_disconnected(self) -> None:
        """A client that has disconnected before its reply is forgotten."""
        for request in REQUEST, b"{}":
            self.world.connect(request).close()
            self.world.settle()
        self.assertEqual((len(self.world.registry), self.world.slot.connections), (0, 0))
        self.assertEqual(len(self.world.actions.events), 4)

    def test_peer_not_asked_for(self) -> None:
        """The kernel is not asked for the credentials of a client as long as nothing else asks."""
        asked = self.count_credentials()
        for first in REQUEST, b'{"path":"/now"}', b"":
            client = self.world.connect(first)
            self.world.settle()
            client.send(REQUEST)
            self.world.settle()
            client.close()
            self.world.settle()
        self.assertEqual(len(self.world.actions.events), 8)
        self.assertEqual(asked, [])

    def test_peer(self) -> None:
        """An action that asks for the peer gets it, and the kernel is asked once for each connection."""
        asked = self.count_credentials()
        client = self.world.connect(b'{"id":1,"path":"/peer"}\n')
        self.world.settle()
        client.send(b'{"id":2,"path":"/peer"}\n')
        self.world.settle()
        self.assertEqual(client.received.count(b":%d}" % os.getpid()), 2)
        self.assertEqual(len(asked), 1)

    def test_peer_after_the_end(self) -> None:
        """A request that outlives its connection knows the peer, though the descriptor may be another's."""
        asked = self.count_credentials()
        for first in b'{"id":1,"path":"/keep"}\n', b'{"path":"/keep"}', b"":
            client = self.world.connect(first)
            self.world.settle()
            if not first:
                client.send(b'{"id":1,"path":"/keep"}\n')
                self.world.settle()
            client.close()
            self.world.settle()
        self.assertEqual(len(asked), 3)
        self.assertEqual([request.peer for request in self.world.actions.kept], [OWN] * 3)
        self.assertEqual(len(asked), 3)

    def test_contexts(self) -> None:
        """Context variables that an action sets are not visible to another connection."""
        for first in b'{"path":"/left"}', b'{"path":"/left"}\n', b'{"path":"/later"}\n', b'{"path":"/left"}':
            self.world.connect(first)
            self.world.settle()
        self.world.answer()
        self.world.connect(b'{"path":"/left"}')
        self.world.settle()
        self.assertEqual(
            [client.received for client in self.world.clients if b"true" not in client.received], [b"{}\n"]
        )
        self.assertEqual(self.world.ways, [True] * 5)

    def test_rule(self) -> None:
        """Where a rule decides who may connect, it is asked first."""

        def refuse(caller: Caller, transport: object) -> Forbidden:
            return Forbidden(str(caller.peer.pid))

        self.world.registry._admission = refuse
        client = self.world.connect(REQUEST)
        self.world.settle()
        self.assertIn(b'"code":403', client.received)
        self.assertEqual((self.world.ways, self.world.actions.events), ([False], []))


class WaitingTests(SynchronousTestCase):
    """A connection whose first message is served."""

    def setUp(self) -> None:
        """A server with short time-outs, and a client without a token."""
        limits = Limits(idle_timeout=8, authentication_timeout=3, message_timeout=7, max_message_bytes=100)
        self.world = World(limits, "private", at_once=True)
        self.addCleanup(self.world.close)
        self.client = self.world.connect(REQUEST)
        self.world.settle()
        self.assertEqual(self.world.ways, [True])

    def pass_time(self, seconds: int) -> str:
        """Let time pass; how the server has closed the connection by then."""
        for _ in range(seconds):
            self.world.advance(1)
            self.world.settle()
        return self.client.ended

    def test_idle(self) -> None:
        """It has the idle time-out of a client that has sent a message, from the first check on."""
        self.assertEqual((self.pass_time(8), self.pass_time(1)), ("", "end"))
        self.assertEqual(len(self.world.registry), 0)

    def test_idle_with_incomplete_message(self) -> None:
        """A part of a message does not begin its idle time again."""
        self.assertEqual(self.pass_time(4), "")
        self.client.send(b"{")
        self.assertEqual((self.pass_time(4), self.pass_time(1)), ("", "end"))

    def test_later_without_line_end(self) -> None:
        """A client that has ended a message with a line end is expected to do so again."""
        self.client.send(b'{"path":"/now"}')
        self.world.settle()
        self.assertEqual(self.client.received.count(b"\n"), 1)
        self.client.send(b"\n")
        self.world.settle()
        self.assertTrue(self.client.received.endswith(b"\n{}\n"))

    def test_too_large(self) -> None:
        """A first message that is too large, or that may not be whole, is left to a protocol."""
        for first in b'{"data":{"x":"%s"}}\n' % (b"y" * 100), b'{"data":{"x":"%s"}}' % (b"y" * 9000):
            client = self.world.connect(first)
            self.world.settle()
            self.assertIn(b'"code":413', client.received)
        self.assertEqual(self.world.ways[1:], [False, False])


class UpgradeTests(SynchronousTestCase):
    """What happens while a connection gets its transport, which takes two turns of the loop."""

    def setUp(self) -> None:
        """Listen, in a context without what other tests have left: it would refer to requests."""
        set_current_request(None)
        self.world = World(Limits(max_connections=100), "private", at_once=True)

    def tearDown(self) -> None:
        """End the last server."""
        self.world.close()

    def start(self, first: bytes) -> None:
        """Accept a client, and do nothing more."""
        self.client = self.world.connect(first)
        while not self.world.ways:
            self.world.loop.turn()

    def meanwhile(self, act: Callable[[ConnectionRegistry], object]) -> None:
        """Do something after none, one, two and three turns of the loop; each time with another server."""
        for turns in range(4):
            self.start(b'{"id":1,"path":"/later","auth_token":"%s"}\n' % TOKEN.encode())
            for _ in range(turns):
                self.world.loop.turn()
            act(self.world.registry)
            self.world.settle()
            self.assertEqual((self.client.received, self.client.ended), self.expected, turns)
            self.world.close()
            self.world = World(Limits(max_connections=100), "private", at_once=True)

    expected: tuple[bytes, str]

    def test_drain(self) -> None:
        """A drain sends goaway, and waits for the pending request."""
        self.expected = b'{"goaway":true}\n', ""
        drained: list[Deferred[None]] = []
        self.meanwhile(lambda registry: drained.append(registry.drain(wait_for_idle=True)))
        for each in drained:
            self.assertTrue(each.called)  # as the client was disconnected at last

    def test_abort(self) -> None:
        """An abort answers the pending request with 503 and closes."""
        reply = b'{"id":1,"status":"error","code":503,"message":"Service unavailable","detail":%s}\n'
        self.expected = reply % b'{"retry_after":1.0}', "end"
        self.meanwhile(lambda registry: registry.abort())

    def test_review(self) -> None:
        """A caller whose token is not valid any more is asked to reconnect."""
        self.expected = b'{"goaway":true}\n', ""
        self.meanwhile(lambda registry: registry.review_callers(lambda caller: True))

    def test_time(self) -> None:
        """A check of time-outs does nothing."""
        self.expected = b"", ""
        self.meanwhile(lambda registry: registry.check_time())

    def test_disconnects(self) -> None:
        """An action is cancelled if its client disconnects meanwhile."""
        self.expected = b"", ""
        self.meanwhile(lambda registry: self.client.close())

    def test_cannot_open(self) -> None:
        """A connection for which no transport can be made is closed and forgotten."""

        async def fail(make: object, connection: socket.socket) -> None:
            connection.close()
            raise OSError("no")

        self.world.port._connections._connect = fail
        self.start(b'{"id":1,"path":"/later"}\n')
        self.world.settle()
        self.assertEqual(self.client.ended, "end")
        self.assertEqual((len(self.world.registry), self.world.slot.connections), (0, 0))
