"""The peer's credentials, as the kernel reports them."""

from __future__ import annotations

import os
import socket

from twisted.internet.interfaces import ISystemHandle
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.domain.message import Peer
from unixsvc.transport.peer import groups_of, peer_of


@implementer(ISystemHandle)
class _Connected:
    """A transport with a socket."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def getHandle(self) -> socket.socket:
        """The socket."""
        return self._connection


class PeerTests(SynchronousTestCase):
    """Credentials of a client."""

    def test_memory(self) -> None:
        """A transport in memory has none."""
        self.assertEqual(peer_of(StringTransport()), Peer())

    def test_kernel(self) -> None:
        """On a socket, they are those of the process; all its connections share one object."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        peer = peer_of(_Connected(ours))
        self.assertEqual(peer, Peer(os.geteuid(), os.getegid(), os.getpid()))
        self.assertIs(peer_of(_Connected(theirs)), peer)

    def test_groups(self) -> None:
        """The supplementary groups are those of the process; a transport in memory has none."""
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.assertEqual(sorted(groups_of(_Connected(ours))), sorted(os.getgroups()))
        self.assertEqual(groups_of(StringTransport()), ())
