"""Switching between the loop's own server and an Acceptor."""

from __future__ import annotations

import fcntl
import os
import resource
import socket
import tempfile
from collections.abc import Callable
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import Factory
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.support.event_loops import Echo, Loop
from unixsvc.domain.message import Peer
from unixsvc.listen.acceptor import Acceptor
from unixsvc.listen.backlog import backlog_of
from unixsvc.listen.connection_counts import ConnectionCounts, WorkerSlot
from unixsvc.listen.port import AdaptivePort
from unixsvc.transport.loop_transport import LoopTransport
from unixsvc.transport.peer import peer_of

_TURNS = 2000


class PortTests(SynchronousTestCase):
    """A worker that is the only acceptor at times."""

    def setUp(self) -> None:
        """Listen; the other worker does not accept yet."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "x")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.path)
        listening.listen(123)
        listening.setblocking(False)
        self.shared = listening.dup()  # as the siblings have it, and the orchestrator
        self.addCleanup(self.shared.close)
        counts = ConnectionCounts()
        self.addCleanup(counts.close)
        self.slot, self.other = (WorkerSlot(counts.fileno(), counts.take()) for _ in range(2))
        self.loop = Loop()
        self.addCleanup(self.loop.close)
        self.made: list[LoopTransport] = []
        self.wanted: Any = True
        self.stopped = False
        self.port = AdaptivePort(
            self.loop, Acceptor(self.loop, listening, self.build, self.slot), self.build, self.slot
        )
        self.port.startListening()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Close everything that the loop would have to close."""
        for each in self.made:
            each.abortConnection()
        if not self.stopped:
            self.port.stopListening()
        self.loop.turn()
        self.loop.turn()

    def build(self, *calls: Any) -> LoopTransport | None:
        """Make the protocol of a connection."""
        if self.wanted is True:
            protocol = Factory.forProtocol(Echo).buildProtocol(UNIXAddress(None))
            assert protocol is not None
            self.made.append(LoopTransport(protocol, UNIXAddress(None), *calls))
            return self.made[-1]
        if self.wanted is None:
            return None
        raise self.wanted

    def eventually(self, done: Callable[[], object]) -> None:
        """Run the loop until a condition holds."""
        for _ in range(_TURNS):
            if done():
                return
            self.loop.turn()
        self.fail("it never was")

    def connect(self) -> socket.socket:
        """Connect a client."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(self.path)
        client.setblocking(False)
        return client

    def answer(self, client: socket.socket, words: bytes) -> bytes:
        """Send bytes; the reply."""
        client.send(words)
        return self.received(client)

    def received(self, client: socket.socket) -> bytes:
        """The bytes that a client receives, as soon as there are some."""
        received: list[bytes] = []

        def receive() -> bool:
            try:
                received.append(client.recv(100))
            except BlockingIOError:
                return False
            return True

        self.eventually(receive)
        return received[0]

    def assert_served(self) -> socket.socket:
        """A new client is counted once, and served."""
        before = self.slot.connections
        client = self.connect()
        self.assertEqual(self.answer(client, b"hello"), b"hello")
        self.assertEqual(self.slot.connections, before + 1)
        return client

    def loop_accepts(self) -> bool:
        """True if the loop accepts."""
        return self.port._loop_acceptor.serves

    def test_interface(self) -> None:
        """It provides IListeningPort and has the socket's address."""
        verifyObject(IListeningPort, self.port)
        self.assertEqual(self.port.getHost(), UNIXAddress(self.path))

    def test_only_acceptor(self) -> None:
        """The loop accepts for the only acceptor, without a timer; connections are counted to their end."""
        self.assertEqual((self.loop_accepts(), self.loop.later), (True, []))
        self.assert_served().close()
        self.eventually(lambda: self.slot.connections == 0)

    def test_socket_unchanged(self) -> None:
        """The shared socket keeps its backlog and its non-blocking mode."""
        self.assert_socket_unchanged()
        self.other.start_accepting()
        self.assert_served()
        self.eventually(lambda: not self.loop_accepts())
        self.assert_socket_unchanged()
        self.other.stop_accepting()
        self.loop.wait()
        self.assertTrue(self.loop_accepts())
        self.assert_socket_unchanged()
        self.port.stopListening()
        self.stopped = True
        self.assert_socket_unchanged()
        self.connect()  # the siblings still listen
        self.shared.accept()[0].close()

    def assert_socket_unchanged(self) -> None:
        """Check that the shared socket is unchanged."""
        self.assertEqual(backlog_of(self.shared), 123)
        self.assertTrue(fcntl.fcntl(self.shared, fcntl.F_GETFL) & os.O_NONBLOCK)

    def test_peer(self) -> None:
        """The peer of a connection that the loop has accepted is known."""
        client = self.assert_served()
        self.assertEqual(peer_of(self.made[0]), Peer(os.geteuid(), os.getegid(), os.getpid()))
        self.assertEqual(self.answer(client, b"x"), b"hellox")  # nothing has been closed by that

    def test_other_worker(self) -> None:
        """While another worker accepts, the Acceptor accepts, so that it can yield."""
        self.other.start_accepting()
        client = self.assert_served()
        self.eventually(lambda: not self.loop_accepts())
        waiting = self.connect()
        self.loop.turn()
        self.loop.turn()
        self.assertEqual(self.slot.connections, 1)
        self.shared.accept()[0].close()
        self.other.opened()
        self.assertEqual(self.answer(client, b"there"), b"hellothere")
        waiting.close()

    def test_only_acceptor_again(self) -> None:
        """When the other worker has stopped, the loop accepts again; earlier connections go on."""
        self.other.start_accepting()
        client = self.assert_served()
        self.eventually(lambda: not self.loop_accepts())
        self.loop.wait()
        self.assertFalse(self.loop_accepts())
        self.other.stop_accepting()
        self.loop.wait()
        self.assertEqual((self.loop_accepts(), self.loop.later), (True, []))
        self.assert_served()
        self.assertEqual(self.answer(client, b"x"), b"hellox")
        self.assertEqual(self.slot.connections, 2)

    def test_no_client_is_lost(self) -> None:
        """A client that connects during a switch is accepted exactly once."""
        clients = []
        for joined in (True, False) * 10:
            clients += [self.connect() for _ in range(3)]
            (self.other.start_accepting if joined else self.other.stop_accepting)()
            self.loop.turn()
            self.loop.wait()
        self.other.stop_accepting()
        self.loop.wait()
        self.eventually(lambda: self.slot.connections == len(clients))
        self.assertEqual([self.answer(each, b"1") for each in clients], [b"1"] * len(clients))
        self.assertEqual(len(self.made), len(clients))

    def test_many(self) -> None:
        """With many connections the Acceptor accepts; with few, the loop does again."""
        clients = [self.connect() for _ in range(70)]
        self.eventually(lambda: self.slot.connections == len(clients))
        self.assertFalse(self.loop_accepts())
        for each in clients[30:]:
            each.close()
        self.loop.wait()
        self.assertFalse(self.loop_accepts())
        self.eventually(lambda: self.slot.connections == 30)
        self.loop.wait()
        self.assertTrue(self.loop_accepts())

    def test_descriptors(self) -> None:
        """Near the limit of file descriptors the Acceptor accepts, and clients wait instead."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        highest = max(map(int, os.listdir("/proc/self/fd")))
        most = highest + 200
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        self.other.start_accepting()
        self.assert_served()
        self.other.stop_accepting()
        self.eventually(lambda: not self.loop_accepts())
        self.loop.wait()
        self.assertTrue(self.loop_accepts())
        opened: list[int] = []
        while not opened or opened[-1] < most - 70:
            opened.append(os.dup(0))
        self.assert_served()
        self.assertTrue(self.loop_accepts())
        while opened[-1] < most - 65:
            opened.append(os.dup(0))
        self.assert_served()
        self.eventually(lambda: not self.loop_accepts())
        os.close(opened.pop(0))  # the next number is low, and yet there is no room
        self.assert_served()
        self.loop.wait()
        self.assertFalse(self.loop_accepts())
        for each in opened:
            os.close(each)
        self.loop.wait()
        self.assertTrue(self.loop_accepts())

    def test_last(self) -> None:
        """The only acceptor still serves clients that have connected before it stops."""
        clients = [self.connect() for _ in range(20)]
        self.port.stopListening()
        self.stopped = True
        self.assertEqual([self.answer(each, b"1") for each in clients], [b"1"] * 20)
        self.assertRaises(ConnectionRefusedError, self.refused)

    def refused(self) -> None:
        """Connect to a socket that is no longer listening."""
        self.shared.close()
        self.connect()

    def test_refused(self) -> None:
        """A refused client, or one whose protocol cannot be made, is closed; the next one is served."""
        for wanted in (None, ZeroDivisionError()):
            self.wanted = wanted
            client = self.connect()
            with capturedLogs() as events:
                self.assertEqual(self.received(client), b"")
            self.assertEqual((len(events), self.slot.connections), (1 if wanted else 0, 0))
        self.flushLoggedErrors(ZeroDivisionError)
        self.wanted = True
        self.assertTrue(self.loop_accepts())
        self.assert_served()

    def test_contexts(self) -> None:
        """Context variables of one connection are not visible in another."""
        first, second = self.connect(), self.connect()
        self.assertEqual(self.answer(first, b"1"), b"1")
        self.assertEqual(self.answer(second, b"2"), b"2")
        self.assertEqual(self.answer(first, b"3"), b"13")

    def test_loop_cannot(self) -> None:
        """If the loop fails to listen, that is logged once, and the Acceptor accepts."""
        self.other.start_accepting()
        self.assert_served()
        self.other.stop_accepting()
        self.eventually(lambda: not self.loop_accepts())

        async def create_server(*arguments: Any, **options: Any) -> Any:
            raise OSError("no")

        self.loop.create_server = create_server  # type: ignore[method-assign]
        with capturedLogs() as events:
            self.loop.wait()
        self.assertEqual((len(events), self.loop_accepts(), self.loop.later), (1, False, []))
        self.assert_served()
