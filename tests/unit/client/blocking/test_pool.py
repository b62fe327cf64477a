"""The connections of one blocking client, over pairs of sockets."""

from __future__ import annotations

import os
import socket
import threading
import time

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.blocking.connection import BlockingConnection
from unixsvc.client.blocking.pool import BlockingConnectionPool
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import Credentials


class BlockingConnectionPoolTests(SynchronousTestCase):
    """A pool that keeps two idle connections."""

    def setUp(self) -> None:
        """Make the pool."""
        self.pool = BlockingConnectionPool(2)
        self.services: list[socket.socket] = []

    def connect(self) -> BlockingConnection:
        """Add a connection, which is in use."""
        own, service = socket.socketpair()
        own.setblocking(False)
        connection = BlockingConnection(own, Credentials(None))
        self.services.append(service)
        self.addCleanup(service.close)
        self.addCleanup(connection.close)
        self.pool.add(connection, 0.0)
        return connection

    def assertClosed(self, connection: BlockingConnection, *, closed: bool = True) -> None:
        """The descriptor of a connection is closed, or open."""
        self.assertEqual(connection._socket.fileno() < 0, closed)

    def test_order(self) -> None:
        """The connection that was used last is used next."""
        one, other = self.connect(), self.connect()
        self.pool.put_back(one)
        self.pool.put_back(other)
        self.assertIs(self.pool.take(1.0), other)
        self.assertIs(self.pool.take(1.0), one)
        self.assertIsNone(self.pool.take(1.0))

    def test_limit(self) -> None:
        """Of the idle connections, those that were used last are kept, and the others closed."""
        connections = [self.connect() for _ in range(3)]
        for each in connections:
            self.pool.put_back(each)
        self.assertEqual(len(self.pool), 2)
        self.assertClosed(connections[0])
        self.assertIs(self.pool.take(1.0), connections[2])
        self.assertIs(self.pool.take(1.0), connections[1])

    def test_pending(self) -> None:
        """A connection with a pending call is closed."""
        connection = self.connect()
        connection.state.request(Call("GET", "/"))
        self.pool.put_back(connection)
        self.assertEqual(len(self.pool), 0)
        self.assertClosed(connection)

    def test_leaving(self) -> None:
        """A connection that has got goaway during its call is closed."""
        connection = self.connect()
        connection.state.leaving = True
        self.pool.put_back(connection)
        self.assertEqual(len(self.pool), 0)
        self.assertClosed(connection)

    def test_check(self) -> None:
        """A connection is looked at before a call only if the last one began at least 0.1 s ago."""
        connection = self.connect()
        looked: list[float] = []

        def wait(milliseconds: float) -> bool:
            looked.append(milliseconds)
            return False

        connection._wait_readable = wait
        for now in (50.0, 50.09, 50.18, 50.3, 50.39):
            self.pool.put_back(connection)
            self.assertIs(self.pool.take(now), connection)
        self.assertEqual(len(looked), 2)

    def test_ended(self) -> None:
        """An idle connection that has ended, or has got goaway, is closed, and the next one is used."""
        good, ended, leaving = self.connect(), self.connect(), self.connect()
        self.pool = BlockingConnectionPool(3)
        for each in (good, ended, leaving):
            self.pool.put_back(each)
        self.services[1].close()
        self.services[2].send(b'{"goaway":true}\n')
        self.assertIs(self.pool.take(1.0), good)
        self.assertClosed(ended)
        self.assertClosed(leaving)

    def test_close(self) -> None:
        """Idle connections are closed; those in use are shut down, and closed when they are put back."""
        idle, used = self.connect(), self.connect()
        self.pool.put_back(idle)
        self.pool.close()
        self.assertClosed(idle)
        self.assertClosed(used, closed=False)
        self.assertEqual(self.services[1].recv(1), b"")
        self.pool.put_back(used)
        self.assertClosed(used)
        self.assertEqual(len(self.pool), 0)

    def test_fork(self) -> None:
        """A child process has no connection, and a free lock; the connections of the parent stay open."""
        idle, used = self.connect(), self.connect()
        self.pool.put_back(idle)
        held, over = threading.Event(), threading.Event()

        def hold() -> None:
            with self.pool.lock:
                held.set()
                over.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if child == 0:
            try:
                closed = all(each._socket.fileno() < 0 for each in (idle, used))
                if closed and not len(self.pool) and self.pool.lock.acquire(timeout=5.0):
                    os._exit(0)
            finally:
                os._exit(1)
        over.set()
        thread.join()
        self.assertEqual(os.waitpid(child, 0), (child, 0))
        self.assertClosed(used, closed=False)
        self.assertIs(self.pool.take(time.monotonic()), idle)
        self.services[0].send(b'{"id":1,"code":200,"data":1}\n')
        deadline = time.monotonic() + 30.0
        self.assertEqual(idle.request(Call("GET", "/"), 30.0, deadline), Raw(b"1"))
