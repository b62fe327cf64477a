"""One connection of the blocking client, over a pair of sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.blocking.connection import BlockingConnection
from unixsvc.client.connection import Call
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.errors import ConnectAttemptFailed, ConnectionLost
from unixsvc.client.events import Event, Received
from unixsvc.errors import BadGateway, DeadlineExceeded, NotFound, Unauthorized

CALL = Call("GET", "/item/7")
REPLY = b'{"id":1,"code":200,"data":{"id":7}}\n'


class BlockingConnectionTests(SynchronousTestCase):
    """Replies are sent before the call is made, as it blocks."""

    def setUp(self) -> None:
        """Connect."""
        own, self.service = socket.socketpair()
        own.setblocking(False)
        self.connection = BlockingConnection(own, Credentials("secret"))
        self.addCleanup(self.service.close)
        self.addCleanup(self.connection.close)

    def request(self, call: Call = CALL, timeout: float = 30.0) -> Received | None:
        """Make a call."""
        return self.connection.request(call, timeout, time.monotonic() + timeout)

    def stream(self) -> Iterator[Event]:
        """Request a stream."""
        return self.connection.stream(CALL, 30.0, time.monotonic() + 30.0)

    def assertReusable(self, *, reusable: bool = True) -> None:
        """Another call can be made on the connection, or not."""
        state = self.connection.state
        self.assertEqual(not state.pending and not state.leaving, reusable)

    def test_result(self) -> None:
        """The call has the timeout; after its result, the connection can be used again."""
        self.service.send(REPLY)
        self.assertEqual(self.request(timeout=5.0), Raw(b'{"id":7}'))
        expected = {"id": 1, "path": "/item/7", "auth_token": "secret", "timeout": 5.0}
        self.assertEqual(json.loads(self.service.recv(1000)), expected)
        self.assertReusable()
        self.assertTrue(self.connection.is_alive())

    def test_error(self) -> None:
        """An error of the service is raised."""
        self.service.send(b'{"id":1,"status":"error","code":404,"message":"","detail":null}\n')
        self.assertRaises(NotFound, self.request)
        self.assertReusable()

    def test_stream(self) -> None:
        """A stream instead of a result is an error, and the connection is not used again."""
        self.service.send(b'{"id":1,"more":true,"data":5}\n')
        self.assertRaises(BadGateway, self.request)
        self.assertReusable(reusable=False)

    def test_goaway(self) -> None:
        """A call that crosses goaway has its result, and is the last one."""
        self.service.send(b'{"goaway":true}\n' + REPLY)
        self.assertEqual(self.request(), Raw(b'{"id":7}'))
        self.assertReusable(reusable=False)

    def test_deadline(self) -> None:
        """Without a reply, the call ends at its deadline."""
        started = time.monotonic()
        self.assertRaises(DeadlineExceeded, self.request, timeout=0.02)
        self.assertGreaterEqual(time.monotonic() - started, 0.02)
        self.assertReusable(reusable=False)

    def test_trickle(self) -> None:
        """The deadline holds also if the service sends a part of the reply again and again."""
        waits: list[float] = []

        def wait(milliseconds: float) -> bool:
            self.service.send(b" ")
            waits.append(milliseconds)
            return True

        self.connection._wait_readable = wait
        self.assertRaises(DeadlineExceeded, self.request, timeout=0.02)
        self.assertEqual(waits, sorted(waits, reverse=True))
        self.assertEqual(waits[0], 20.0)

    def test_slow_reader(self) -> None:
        """A message that the socket does not take at once is sent in parts, until the deadline."""
        large = Call("POST", "/item", Raw(b'{"a":"' + b"x" * 3_000_000 + b'"}'))
        self.assertRaises(DeadlineExceeded, self.request, large, 0.02)

    def test_large(self) -> None:
        """A message that is larger than the buffers arrives as a whole."""
        received = bytearray()

        def serve() -> None:
            while not received.endswith(b"\n"):
                received.extend(self.service.recv(65536))
            self.service.send(REPLY)

        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        text = "x" * 3_000_000
        self.assertEqual(self.request(Call("POST", "/item", Raw(f'{{"a":"{text}"}}'))), Raw(b'{"id":7}'))
        self.assertEqual(json.loads(received)["data"], {"a": text})

    def test_closed(self) -> None:
        """If the service has closed a new connection, the attempt has failed; an idle one carries nothing."""
        self.service.close()
        self.assertRaises(ConnectAttemptFailed, self.request)
        self.assertRaises(ConnectAttemptFailed, list, self.stream())
        self.connection.fresh = False
        self.assertIsNone(self.request())
        self.assertEqual(list(self.stream()), [])
        self.assertReusable(reusable=False)

    def test_rejection(self) -> None:
        """If the service gave a reason before it closed the connection, that is the error."""
        self.service.send(b'{"status":"error","code":401,"message":"","detail":null}\n')
        self.service.close()
        self.assertRaises(Unauthorized, self.request)

    def test_lost(self) -> None:
        """If the connection ends before the reply, the call is lost."""
        self.service.shutdown(socket.SHUT_WR)
        self.assertRaises(ConnectionLost, self.request)

    def test_not_alive(self) -> None:
        """A connection that ended or has got goaway while it was idle is not alive."""
        self.assertTrue(self.connection.is_alive())
        self.service.send(b'{"goaway":true}\n')
        self.assertFalse(self.connection.is_alive())
        self.service.close()
        self.assertFalse(self.connection.is_alive())

    def test_leave_to_parent(self) -> None:
        """In a child process the descriptor is closed; a stream ends at once, whatever has its number now."""
        stream = self.stream()
        self.service.send(b'{"id":1,"more":true,"data":5}\n')
        next(stream)
        number = self.connection._socket.fileno()
        self.connection.leave_to_parent()
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        self.assertIn(number, (one.fileno(), other.fileno()))
        self.assertRaises(ConnectionLost, next, stream)
