"""Flow control and time-outs of a connection."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from twisted.internet.interfaces import ISystemHandle
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.support.memory_connection import connect, wait
from unixsvc.config.settings import Limits
from unixsvc.server.pending import MAX_PENDING
from unixsvc.server.protocol import ServerProtocol
from unixsvc.testing import MemoryTransport


class FlowTests(SynchronousTestCase):
    """What a client can make the server keep in memory is bounded."""

    def test_too_many_pending(self) -> None:
        """With the maximum of pending requests nothing is read or served until one is answered."""
        client = connect()
        client.send(*[wait(n, id=n) for n in range(MAX_PENDING + 5)])
        client.turn()
        client.turn()
        self.assertEqual(len(client.actions.requests), MAX_PENDING)
        self.assertFalse(client.transport.reading)
        for n in range(5):
            client.actions.waiting[n].callback(None)
        client.turn()
        self.assertEqual(len(client.actions.requests), MAX_PENDING + 5)
        client.actions.waiting[6].callback(None)
        client.turn()
        self.assertTrue(client.transport.reading)

    def test_replies_not_read(self) -> None:
        """While the client does not take its replies, nothing is read or served."""
        client = connect()
        client.transport.slow = True
        client.send({"id": 1})
        client.send({"id": 2})
        self.assertEqual(len(client.actions.requests), 1)
        self.assertFalse(client.transport.reading)
        client.transport.slow = False
        client.connection.resumeProducing()
        client.turn()
        self.assertEqual([each["id"] for each in client.received()], [1, 2])
        self.assertTrue(client.transport.reading)

    def test_batched_replies(self) -> None:
        """The replies to the requests of one read are one write, in their order."""
        client = connect()
        written: list[bytes] = []
        client.transport.write = written.append  # type: ignore[method-assign, assignment]  # to see each
        client.send(
            {"id": 1}, wait(2, id=2), {"id": 3, "path": "/wrong"}, {"cancel": True, "id": 2}, {"id": 4}
        )
        (lines,) = written
        self.assertEqual([json.loads(each)["id"] for each in lines.splitlines()], [1, 3, 2, 4])

    def test_batch_limit(self) -> None:
        """At most about 16 KiB of replies are written together."""
        client = connect()
        client.transport.slow = True
        client.send(*[{"id": n, "data": {"x": "a" * 4000}} for n in range(20)])
        self.assertEqual(len(client.actions.requests), 5)
        client.connection.resumeProducing()
        client.turn()
        self.assertEqual(len(client.actions.requests), 10)

    def test_together_before_the_end(self) -> None:
        """Replies before a refused message are sent before the connection is closed."""
        client = connect()
        client.raw(b'{"id":1}\n{"id":2}\nnonsense\n{"id":3}\n')
        self.assertEqual([each.get("id", each.get("code")) for each in client.received()], [1, 2, 400])
        self.assertEqual(client.transport.closed, "half")

    def test_not_closed_while_full(self) -> None:
        """A connection that is to be closed is closed only when its client has taken the replies.

        Twisted's own transports would forget it otherwise.
        """
        for data in (b'{"data":{}}', b"nonsense\n"):
            client = connect()
            client.transport.slow = True
            client.raw(data)
            self.assertEqual(client.transport.closed, "")
            client.connection.resumeProducing()
            self.assertIn(client.transport.closed, ("lose", "half"))

    def test_waiting_replies(self) -> None:
        """With 64 KiB of bare replies that wait for an earlier one, nothing is read before that is sent."""
        client = connect()
        client.send(wait(1), *[{"data": {"x": "a" * 1000}} for _ in range(70)])
        client.turn()
        self.assertEqual(len(client.actions.requests), 1 + 65)
        self.assertFalse(client.transport.reading)
        client.actions.waiting[1].callback(None)
        client.turn()
        self.assertEqual((len(client.received()), client.transport.reading), (71, True))

    def test_turns(self) -> None:
        """A client with thousands of messages is served in turns."""
        client = connect()
        transport, other = client.connect_another()
        client.send(*[{"id": n} for n in range(1000)])
        self.assertLess(len(client.received()), 100)
        self.assertFalse(client.transport.reading)
        other.dataReceived(b'{"id":1}\n')
        self.assertEqual(len(transport.lines()), 1)
        for _ in range(20):
            client.turn()
        self.assertEqual(client.received()[-1]["id"], 999)
        self.assertTrue(client.transport.reading)


class TimeTests(SynchronousTestCase):
    """Idle connections and incomplete messages."""

    limits = Limits(message_timeout=5, idle_timeout=20)

    def test_incomplete_message(self) -> None:
        """An incomplete message is 408 after the message time-out, even if bytes keep coming."""
        client = connect(self.limits)
        client.send({"id": 1})
        client.received()
        for _ in range(7):
            client.raw(b" {")
            client.turn(1)
        self.assertEqual([each["code"] for each in client.received()], [408])
        self.assertEqual(client.transport.closed, "half")

    def test_message_after_message(self) -> None:
        """The message time-out starts again with each message."""
        client = connect(self.limits)
        for n in range(15):
            client.raw(b'":%d}\n{"id' % n if n else b'{"id')
            client.turn(1)
        self.assertEqual(len(client.received()), 14)

    def test_never_a_message(self) -> None:
        """A client that has never sent a message gets 408 after the idle time-out."""
        client = connect(self.limits)
        client.turn(25)
        self.assertEqual([each["code"] for each in client.received()], [408])

    def test_idle(self) -> None:
        """A client that has sent a message is closed without a reply: it may have begun to send the next.

        If it has not read earlier replies either, it is aborted at the next check.
        """
        client = connect(self.limits)
        client.send({"id": 1})
        client.received()
        client.turn(15)
        self.assertEqual(client.transport.closed, "")
        client.turn(6)
        self.assertEqual((client.transport.value(), client.transport.closed), (b"", "lose"))
        client.turn(1)
        self.assertEqual(client.transport.closed, "abort")

    def test_one_message_and_no_reading(self) -> None:
        """A one-message client that does not take its reply is aborted after the idle time-out."""
        client = connect(self.limits)
        client.raw(b'{"data":{"a":1}}')
        client.turn(15)
        self.assertEqual((client.transport.value(), client.transport.closed), (b'{"a":1}', "lose"))
        client.turn(10)
        self.assertEqual((client.transport.value(), client.transport.closed), (b'{"a":1}', "abort"))

    def test_not_idle_while_waiting(self) -> None:
        """A client that waits for its reply is not idle."""
        client = connect(self.limits)
        client.actions.seconds = 1000
        client.send(wait(1, id=1))
        client.turn(100)
        self.assertEqual(client.transport.closed, "")

    def test_replies_never_read(self) -> None:
        """A client that takes no replies is aborted after the idle time-out."""
        client = connect(self.limits)
        client.transport.slow = True
        client.send({"id": 1})
        client.turn(25)
        self.assertEqual(client.transport.closed, "abort")


@implementer(ISystemHandle)
class _OverSocket(MemoryTransport):
    """A connection in memory with a real socket for its state."""

    def __init__(self, handle: socket.socket) -> None:
        super().__init__()
        self._handle = handle

    def getHandle(self) -> socket.socket:
        """The socket."""
        return self._handle


class PeerTests(SynchronousTestCase):
    """What only a real socket shows: whether the client is connected, and has sent something."""

    def setUp(self) -> None:
        """A pair of sockets and a connection over one of them."""
        self.theirs, ours = socket.socketpair()
        for each in (self.theirs, ours):
            self.addCleanup(each.close)
        self.client = connect(Limits(idle_timeout=20))
        self.transport, self.connection = _OverSocket(ours), ServerProtocol(self.client.registry)
        self.connection.makeConnection(self.transport)

    def send(self, *messages: Any) -> None:
        """Let the server receive messages."""
        self.connection.dataReceived(b"".join(json.dumps(each).encode() + b"\n" for each in messages))

    def test_credentials(self) -> None:
        """The peer's credentials are those of the kernel."""
        self.send({"id": 1})
        self.assertEqual(self.client.actions.requests[0].peer.pid, os.getpid())

    def test_disconnected_while_paused(self) -> None:
        """A client that disconnects while nothing is read from it is found and aborted."""
        self.client.actions.seconds = 1000
        self.send(*[wait(n, id=n) for n in range(MAX_PENDING)])
        self.client.turn()
        self.client.turn(3)
        self.assertEqual((self.transport.reading, self.transport.closed), (False, ""))
        self.theirs.shutdown(socket.SHUT_WR)
        self.client.turn(3)
        self.assertEqual(self.transport.closed, "")  # it may still want its replies
        self.theirs.close()
        self.client.turn(1)
        self.assertEqual(self.transport.closed, "abort")

    def test_sent_by_now(self) -> None:
        """What a client has sent before the drain is served, also if it is not received yet."""
        self.send({"data": {"n": 1}})
        self.theirs.send(b"something")
        self.client.registry.drain(wait_for_idle=False)
        self.assertEqual((self.transport.closed, self.transport.reading), ("", True))
        self.transport.getHandle().recv(9)
        self.send({"data": {"n": 2}})
        self.assertEqual((self.transport.lines(), self.transport.closed), ([{"n": 1}, {"n": 2}], "lose"))
