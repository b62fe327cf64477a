"""Which connection carries the next call."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.client.fake_transport import FakeTransport, RecordingCall
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.multiplexer import Multiplexer
from unixsvc.client.pool import ConnectionPool


def connection(calls: int = 0) -> Multiplexer:
    """A connection with so many pending calls."""
    clock = Clock()
    made = Multiplexer(Credentials(None), clock.seconds, clock.callLater, FakeTransport(), lambda _: None)
    for _ in range(calls):
        made.start(Call("GET", "/"), 1.0, RecordingCall())
    return made


class ConnectionPoolTests(SynchronousTestCase):
    def pool(self, *connections: Multiplexer, limit: int = 2) -> ConnectionPool:
        """A pool of these connections."""
        pool = ConnectionPool(limit)
        for each in connections:
            pool.add(each)
        return pool

    def test_empty(self) -> None:
        """An empty pool needs a new connection."""
        self.assertIsNone(self.pool().choose())

    def test_idle(self) -> None:
        """An idle connection is chosen before a new one is made."""
        idle = connection()
        self.assertIs(self.pool(connection(1), idle, limit=9).choose(), idle)

    def test_busy(self) -> None:
        """If all are busy, a new one is made up to the limit; then that with the fewest calls is chosen."""
        less = connection(1)
        self.assertIsNone(self.pool(connection(2), less, limit=3).choose())
        self.assertIs(self.pool(connection(2), less, limit=2).choose(), less)

    def test_goaway(self) -> None:
        """After goaway, a connection gets no further call, and does not count."""
        leaving = connection(1)
        leaving.data_received(b'{"goaway":true}\n')
        self.assertIsNone(self.pool(leaving, limit=1).choose())
        other = connection(3)
        self.assertIs(self.pool(leaving, other, limit=1).choose(), other)

    def test_discard(self) -> None:
        """A lost connection is not chosen; it may be discarded twice."""
        one, two = connection(), connection(1)
        pool = self.pool(one, two)
        pool.discard(one)
        pool.discard(one)
        self.assertEqual((len(pool), pool.choose()), (1, None))

    def test_close(self) -> None:
        """After all connections were closed, none is chosen."""
        pool = self.pool(connection(), connection(1))
        pool.close()
        self.assertIsNone(pool.choose())
