"""The path of a call through the blocking client, over pairs of sockets."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.blocking.client import Client
from unixsvc.client.blocking.connection import BlockingConnection
from unixsvc.client.breaker import CircuitBreaker
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import Credentials, ServiceLocation
from unixsvc.client.errors import ConnectAttemptFailed
from unixsvc.errors import DeadlineExceeded, NotFound, Unavailable


class Finder:
    """Connects to a service that sends some bytes to each connection at once.

    :param replies: for each connection; None if the service has closed it.
    """

    def __init__(self, *replies: bytes | None) -> None:
        self.replies = list(replies)
        self.services: list[socket.socket] = []

    def connect(self) -> tuple[socket.socket, Credentials]:
        """Connect."""
        if not self.replies:
            raise ConnectAttemptFailed(Unavailable())
        own, service = socket.socketpair()
        own.setblocking(False)
        reply = self.replies.pop(0)
        if reply is None:
            service.close()
        else:
            service.send(reply)
        self.services.append(service)
        return own, Credentials(None)

    def close(self) -> None:
        """Close the service's side of all connections."""
        for each in self.services:
            each.close()


class CountingSocket:
    """Counts the system calls of a socket, and of those that wait for it.

    :ivar calls: their names.
    """

    def __init__(self, connection: BlockingConnection) -> None:
        self.calls: list[str] = []
        self._socket, self._wait = connection._socket, connection._wait_readable
        connection._socket = self  # type: ignore[assignment]  # as much of it as is used
        connection._wait_readable = self.poll

    def poll(self, milliseconds: float) -> object:
        """Wait."""
        self.calls.append("poll")
        return self._wait(milliseconds)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        self.calls.append(name)
        method: Callable[..., Any] = getattr(self._socket, name)
        return method


class BlockingClientTests(SynchronousTestCase):
    """Each test says what the service sends."""

    def client(self, *replies: bytes | None) -> Client:
        """A client, and its service."""
        client = Client("codes", location=ServiceLocation("/nonexistent", Credentials(None)))
        self.finder = Finder(*replies)
        client._finder = self.finder  # type: ignore[assignment]  # the methods that are used
        self.addCleanup(self.finder.close)
        self.addCleanup(client.close)
        return client

    def reply(self, client: Client, number: int, reply: bytes) -> None:
        """Send the reply to the next call on a connection, however late that is made."""
        self.finder.services[number].send(reply)
        client._pool._idle[-1].used = math.inf

    def test_system_calls(self) -> None:
        """A call on a connection that was just used is three system calls: send, wait, read."""
        client = self.client(b'{"id":1,"code":200,"data":5}\n')
        client.get("/")
        counting = CountingSocket(client._pool._idle[0])
        self.reply(client, 0, b'{"id":2,"code":200,"data":6}\n')
        self.assertEqual(client.get("/"), 6)
        self.assertEqual(counting.calls, ["send", "poll", "recv"])

    def test_closed_while_idle(self) -> None:
        """A call on a connection that the service has closed is made on another one, without a retry.

        So it succeeds also if its method is not idempotent, and the breaker counts nothing.
        """
        client = self.client(*[b'{"id":1,"code":200,"data":%d}\n' % number for number in (5, 6, 7)])
        client._policy.enabled = False
        one, other = (self.finder.connect() for _ in range(2))
        for connection in (one, other):
            client._pool.put_back(BlockingConnection(*connection))
        for each in client._pool._idle:
            each.used = math.inf
        self.finder.close()
        self.assertEqual(client.post("/", a=1), 7)
        self.assertEqual((client._budget.spent, client.breaker.failures), (0.0, 0))
        self.assertEqual(client.stats()["connections"], 1)

    def test_refused(self) -> None:
        """A new connection that the service closes is a failed attempt; another follows after a pause."""
        client = self.client(None, b'{"id":1,"code":200,"data":7}\n')
        self.assertEqual(client.post("/"), 7)
        self.assertEqual(client._budget.spent, 0.0)

    def test_lost(self) -> None:
        """After a lost reply a GET is retried, at the expense of the budget; the next call pays into it."""
        client = self.client(b"", *[b'{"id":1,"code":200,"data":7}\n'] * 2)
        connect = self.finder.connect

        def connect_and_lose() -> tuple[socket.socket, Credentials]:
            connection = connect()
            if len(self.finder.services) == 1:
                self.finder.services[0].shutdown(socket.SHUT_WR)
            return connection

        self.finder.connect = connect_and_lose  # type: ignore[method-assign]
        self.assertEqual(client.get("/"), 7)
        self.assertEqual(client._budget.spent, 1.0)
        self.reply(client, 1, b'{"id":2,"code":200,"data":8}\n')
        self.assertEqual(client.get("/"), 8)
        self.assertAlmostEqual(client._budget.spent, 0.8)

    def test_breaker(self) -> None:
        """Failures are counted, any reply ends their series, and an open breaker refuses the call."""
        client = self.client(b'{"id":1,"status":"error","code":404,"message":"","detail":null}\n')
        client.breaker = client._policy.breaker = CircuitBreaker(threshold=2)
        client.breaker.failed(client._policy.clock())
        self.assertRaises(NotFound, client.get, "/")
        self.assertEqual(client.breaker.failures, 0)
        self.reply(client, 0, b'{"id":2,"code":200,"data":8}\n')
        client.breaker.failed(client._policy.clock())
        self.assertEqual((client.get("/"), client.breaker.failures), (8, 0))
        for _ in range(2):
            client.breaker.failed(client._policy.clock())
        self.assertRaises(Unavailable, client.get, "/")
        self.assertEqual(client.breaker.refused, 1)

    def test_deadline(self) -> None:
        """The error after the deadline has the timeout, and the next call has another connection."""
        client = self.client(b"", b'{"id":1,"code":200,"data":7}\n')
        error = self.assertRaises(DeadlineExceeded, client.call, "GET", "/", timeout=0.02)
        self.assertEqual(error.detail, "no answer within 0.02 s")
        self.assertEqual(client.get("/"), 7)

    def test_long_timeout(self) -> None:
        """A timeout may be longer than poll(2) can wait."""
        client = self.client(b'{"id":1,"code":200,"data":5}\n')
        self.assertEqual(bytes(client.request(Call("GET", "/"), 1e12)), b"5")

    def test_closed(self) -> None:
        """A closed client makes no call."""
        client = self.client(b"")
        client.close()
        error = self.assertRaises(Unavailable, client.get, "/")
        self.assertEqual(error.detail, "the client is closed")
