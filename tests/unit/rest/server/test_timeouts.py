"""Since when a client has kept a connection waiting, and what the kernel knows of it."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import ISystemHandle
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.rest.server.timeouts import ConnectionPhase, PhaseTimer, peer_has_closed, unsent_bytes


@implementer(ISystemHandle)
class Handle:
    """A transport with a socket."""

    def __init__(self, held: socket.socket) -> None:
        self._held = held

    def getHandle(self) -> Any:
        """The socket."""
        return self._held


class WatchTests(SynchronousTestCase):
    """Looks at a connection."""

    def setUp(self) -> None:
        """Nobody has looked."""
        self.watch = PhaseTimer()

    def test_same(self) -> None:
        """Time passes as long as one thing is waited for."""
        requests = [self.watch.elapsed(ConnectionPhase.BODY, 1, 0, now) for now in (5.0, 6.0, 8.0)]
        self.assertEqual(requests, [0.0, 1.0, 3.0])

    def test_other(self) -> None:
        """It starts again for another thing, and for the same of another request."""
        self.watch.elapsed(ConnectionPhase.HEAD, 1, 0, 5.0)
        self.assertEqual(self.watch.elapsed(ConnectionPhase.BODY, 1, 0, 6.0), 0.0)
        self.assertEqual(self.watch.elapsed(ConnectionPhase.BODY, 2, 0, 7.0), 0.0)

    def test_first_head(self) -> None:
        """The time for the first head counts from the connection's beginning."""
        self.watch.elapsed(ConnectionPhase.NEW, 0, 0, 5.0)
        self.assertEqual(self.watch.elapsed(ConnectionPhase.HEAD, 0, 0, 8.0), 3.0)

    def test_taken(self) -> None:
        """It starts again when the client takes what waits; a byte is nothing."""
        self.watch.elapsed(ConnectionPhase.SENDING, 1, 50_000, 5.0)
        self.assertEqual(self.watch.elapsed(ConnectionPhase.SENDING, 1, 49_999, 6.0), 1.0)
        self.assertEqual(self.watch.elapsed(ConnectionPhase.SENDING, 1, 40_000, 7.0), 0.0)
        self.assertEqual(self.watch.elapsed(ConnectionPhase.SENDING, 1, 60_000, 8.0), 0.0)


class KernelTests(SynchronousTestCase):
    """Questions to a real socket."""

    def setUp(self) -> None:
        """Two ends of a TCP connection."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.client = socket.create_connection(listening.getsockname())
            self.server, _ = listening.accept()
        self.addCleanup(self.server.close)
        self.addCleanup(self.client.close)
        self.server.setblocking(False)

    def test_unsent(self) -> None:
        """What the client does not take waits."""
        self.assertEqual(unsent_bytes(Handle(self.server)), 0)
        with self.assertRaises(BlockingIOError):
            while True:
                self.server.send(b"a" * 65_536)
        self.assertGreater(unsent_bytes(Handle(self.server)), 1000)

    def test_gone(self) -> None:
        """A client that has closed is gone, though nothing was read."""
        self.assertFalse(peer_has_closed(Handle(self.server)))
        self.client.sendall(b"a")
        self.client.close()
        self.assertTrue(peer_has_closed(Handle(self.server)))

    def test_closed(self) -> None:
        """A socket that is closed already, and a transport without one, know nothing."""
        self.server.close()
        for transport in (Handle(self.server), object()):
            self.assertEqual((unsent_bytes(transport), peer_has_closed(transport)), (0, False))
