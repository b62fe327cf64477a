"""What waits in memory for peers that do not read."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.interfaces import ISystemHandle
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.config.settings import Limits
from unixsvc.security.buffer_budget import BufferBudget
from unixsvc.testing import MemoryTransport
from unixsvc.transport.unsent_replies import UnsentReplies, unacknowledged_bytes, write_buffer_size

_MIB = 1 << 20


@implementer(ISystemHandle)
class SocketTransport:
    """A transport with a socket and nothing else."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def getHandle(self) -> Any:
        """The socket."""
        return self._connection


class UnacknowledgedTests(SynchronousTestCase):
    """The bytes that the kernel keeps for a peer."""

    def setUp(self) -> None:
        """Connect a pair of TCP sockets."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.client = socket.create_connection(listening.getsockname())
            self.server, _ = listening.accept()
        self.addCleanup(self.server.close)
        self.addCleanup(self.client.close)
        self.server.setblocking(False)

    def test_unacknowledged(self) -> None:
        """Bytes that the client does not read are in the kernel."""
        self.assertEqual(unacknowledged_bytes(SocketTransport(self.server)), 0)
        with self.assertRaises(BlockingIOError):
            while True:
                self.server.send(b"a" * 65_536)
        self.assertGreater(unacknowledged_bytes(SocketTransport(self.server)), 1000)

    def test_closed(self) -> None:
        """A socket that is closed, and a transport without a socket, have none."""
        self.server.close()
        for transport in (SocketTransport(self.server), object()):
            self.assertEqual(unacknowledged_bytes(transport), 0)


class UnsentTests(SynchronousTestCase):
    """The replies of one worker; its budget has 3 MiB for them."""

    def setUp(self) -> None:
        """No connection has unsent bytes."""
        self.budget = BufferBudget(Limits(max_buffered_bytes=4 * _MIB, max_message_bytes=_MIB))
        self.unsent = UnsentReplies(self.budget)

    def waiting(self, size: int) -> MemoryTransport:
        """A transport of a peer that does not take so many bytes."""
        transport = MemoryTransport()
        transport.unsent = size
        self.unsent.update(transport)
        return transport

    def test_sent(self) -> None:
        """A peer that has taken everything holds nothing."""
        transport = self.waiting(0)
        self.assertEqual(self.unsent.peers, {})
        self.assertEqual(write_buffer_size(StringTransport()), 0)
        transport.unsent = 3 * _MIB
        self.unsent.update(transport)
        self.assertFalse(self.budget.has_room(1))
        transport.unsent = 0
        self.unsent.update(transport)
        self.assertTrue(self.budget.has_room(3 * _MIB))
        self.assertEqual(self.unsent.peers, {})

    def test_whole(self) -> None:
        """A reply is counted as a whole until its last byte is sent, as that is how long it is in memory."""
        transport = self.waiting(3 * _MIB)
        transport.unsent = 1
        self.unsent.update(transport)
        self.assertFalse(self.budget.has_room(1))

    def test_no_room(self) -> None:
        """A connection for whose replies there is no room is aborted; its memory is free when it is lost."""
        self.waiting(2 * _MIB)
        late = self.waiting(2 * _MIB)
        self.assertEqual(late.closed, "abort")
        self.assertFalse(self.budget.has_room(1))
        self.unsent.forget(late)
        self.assertTrue(self.budget.has_room(_MIB))

    def test_not_counted(self) -> None:
        """A peer that need not be counted is not, and is no longer from the moment when that is known."""
        transport = self.waiting(3 * _MIB)
        self.unsent.update(transport, counted=False)
        self.assertTrue(self.budget.has_room(3 * _MIB))

    def test_large_reply(self) -> None:
        """A large reply that has no room is not to be written: the connection is aborted."""
        self.waiting(2 * _MIB)
        transport = MemoryTransport()
        self.assertTrue(self.unsent.may_send(transport, _MIB))
        self.assertEqual(transport.closed, "")
        self.assertFalse(self.unsent.may_send(transport, _MIB + 1))
        self.assertEqual(transport.closed, "abort")
