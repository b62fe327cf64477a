"""Waiting for many connections that have no transport."""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.event_loops import Loop
from unixsvc.listen.readable_watch import ReadableWatch


class Waiting:
    """One end of a connection.

    :ivar reports: how often it was reported.
    :ivar act: called then.
    """

    def __init__(self) -> None:
        self.own, self.peer = socket.socketpair()
        self.reports = 0
        self.act: Callable[[], object] = self.receive

    def receive(self) -> bytes:
        """Take what has arrived."""
        return self.own.recv(100)

    def readable(self) -> None:
        """It was reported."""
        self.reports += 1
        self.act()


class ReadableWatchTests(SynchronousTestCase):
    """On the loop of workers."""

    def setUp(self) -> None:
        """Watch three connections."""
        self.loop = Loop()
        self.addCleanup(self.loop.close)
        self.watch = ReadableWatch(self.loop)
        self.connections = [Waiting() for _ in range(3)]
        for each in self.connections:
            self.addCleanup(each.own.close)
            self.addCleanup(each.peer.close)
            self.watch.add(each.own.fileno(), each)

    def reports(self) -> list[int]:
        """How often each was reported, after two turns."""
        self.loop.turn()
        self.loop.turn()
        return [each.reports for each in self.connections]

    def test_reports(self) -> None:
        """A connection is reported as long as there is something to receive, also the end."""
        self.assertEqual(self.reports(), [0, 0, 0])
        self.connections[1].peer.send(b"x")
        self.assertEqual(self.reports(), [0, 1, 0])
        self.connections[2].peer.close()
        self.connections[2].act = bool
        first, second, third = self.reports()
        self.assertEqual((first, second), (0, 1))
        self.assertGreater(third, 1)

    def test_removed(self) -> None:
        """A connection that is removed is not reported, and can be watched by something else."""
        first, second, _ = self.connections
        self.watch.remove(first.own.fileno(), closes=False)
        self.watch.remove(second.own.fileno(), closes=True)
        second.own.close()
        first.peer.send(b"x")
        self.assertEqual(self.reports(), [0, 0, 0])
        self.loop.add_reader(first.own.fileno(), first.readable)
        self.assertEqual(self.reports(), [1, 0, 0])
        self.loop.remove_reader(first.own.fileno())

    def test_removed_meanwhile(self) -> None:
        """A connection that the report of another one removes is not reported."""
        first, second, _ = self.connections

        def close_other(own: Waiting, other: Waiting) -> Callable[[], object]:
            def close() -> None:
                own.receive()
                self.watch.remove(other.own.fileno(), closes=True)
                other.own.close()

            return close

        first.act, second.act = close_other(first, second), close_other(second, first)
        first.peer.send(b"x")
        second.peer.send(b"x")
        self.assertEqual(sum(self.reports()), 1)

    def test_end(self) -> None:
        """After the last connection, the kernel's resources are released."""
        self.watch.end()
        self.connections[0].peer.send(b"x")
        self.assertEqual(self.reports(), [1, 0, 0])
        for each in self.connections:
            self.assertFalse(self.watch._epoll.closed)
            self.watch.remove(each.own.fileno(), closes=True)
        self.assertTrue(self.watch._epoll.closed)
        self.loop.turn()
