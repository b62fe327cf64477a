"""Measuring how long a connection is in one phase, and the state of its socket."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import ISystemHandle
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.rest.server.timeouts import ConnectionPhase, PhaseTimer, peer_has_closed


@implementer(ISystemHandle)
class SocketHandle:
    """A transport with a socket."""

    def __init__(self, held: socket.socket) -> None:
        self._held = held

    def getHandle(self) -> Any:
        """The socket."""
        return self._held


class PhaseTimerTests(SynchronousTestCase):
    """The time in a phase."""

    def setUp(self) -> None:
        """Create a timer."""
        self.timer = PhaseTimer()

    def test_same(self) -> None:
        """Time passes while the phase is the same."""
        requests = [self.timer.elapsed(ConnectionPhase.BODY, 1, 0, now) for now in (5.0, 6.0, 8.0)]
        self.assertEqual(requests, [0.0, 1.0, 3.0])

    def test_other(self) -> None:
        """The time restarts with another phase, and with the next request."""
        self.timer.elapsed(ConnectionPhase.HEAD, 1, 0, 5.0)
        self.assertEqual(self.timer.elapsed(ConnectionPhase.BODY, 1, 0, 6.0), 0.0)
        self.assertEqual(self.timer.elapsed(ConnectionPhase.BODY, 2, 0, 7.0), 0.0)

    def test_first_head(self) -> None:
        """The time for the first head runs from the start of the connection."""
        self.timer.elapsed(ConnectionPhase.NEW, 0, 0, 5.0)
        self.assertEqual(self.timer.elapsed(ConnectionPhase.HEAD, 0, 0, 8.0), 3.0)

    def test_progress(self) -> None:
        """The time restarts when the client takes bytes, but not for a single one."""
        self.timer.elapsed(ConnectionPhase.SENDING, 1, 50_000, 5.0)
        self.assertEqual(self.timer.elapsed(ConnectionPhase.SENDING, 1, 49_999, 6.0), 1.0)
        self.assertEqual(self.timer.elapsed(ConnectionPhase.SENDING, 1, 40_000, 7.0), 0.0)
        self.assertEqual(self.timer.elapsed(ConnectionPhase.SENDING, 1, 60_000, 8.0), 0.0)


class SocketStateTests(SynchronousTestCase):
    """The state of a real socket."""

    def setUp(self) -> None:
        """Connect a pair of TCP sockets."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.client = socket.create_connection(listening.getsockname())
            self.server, _ = listening.accept()
        self.addCleanup(self.server.close)
        self.addCleanup(self.client.close)
        self.server.setblocking(False)

    def test_peer_closed(self) -> None:
        """A client that has closed is noticed without reading."""
        self.assertFalse(peer_has_closed(SocketHandle(self.server)))
        self.client.sendall(b"a")
        self.client.close()
        self.assertTrue(peer_has_closed(SocketHandle(self.server)))

    def test_closed(self) -> None:
        """A socket that is closed, and a transport without a socket, have no state."""
        self.server.close()
        for transport in (SocketHandle(self.server), object()):
            self.assertFalse(peer_has_closed(transport))
