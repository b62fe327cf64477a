"""Accepting clients from a socket that workers share."""

from __future__ import annotations

import asyncio
import errno
import os
import select
import socket
import tempfile
from collections.abc import Callable
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IListeningPort
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.support.event_loops import Echo, Loop
from unixsvc.listen.acceptor import Acceptor
from unixsvc.listen.balance.connection_counts import ConnectionCounts, WorkerSlot
from unixsvc.transport.loop_transport import LoopTransport


class _Loop:
    """Records its calls."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], None]] = {}
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.opened: list[socket.socket] = []
        self.now = 100.0
        self.epoll = select.epoll()

    def _get_backend_id(self) -> int:
        """The descriptor of its epoll instance."""
        return self.epoll.fileno()

    def add_reader(self, descriptor: int, call: Callable[[], None]) -> None:
        """Note a reader."""
        self.readers[descriptor] = call
        self.epoll.register(descriptor, select.EPOLLIN)

    def remove_reader(self, descriptor: int) -> None:
        """Forget it."""
        if self.readers.pop(descriptor, None):
            self.epoll.unregister(descriptor)

    def time(self) -> float:
        """Now, in seconds."""
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> Any:
        """Note a timer."""
        entry = (seconds, call)
        self.later.append(entry)
        loop = self

        class _Handle:
            def cancel(self) -> None:
                """Forget it, if it has not been called."""
                if entry in loop.later:
                    loop.later.remove(entry)

        return _Handle()

    async def connect_accepted_socket(self, make: Callable[[], object], connection: socket.socket) -> None:
        """A connection is there."""
        make()
        self.opened.append(connection)

    def turn(self) -> None:
        """Call all readers."""
        for call in list(self.readers.values()):
            call()

    def wait(self) -> None:
        """Call all timers."""
        later, self.later = self.later, []
        for _, call in later:
            call()


class AcceptorTests(SynchronousTestCase):
    """Which clients are accepted, and when."""

    def setUp(self) -> None:
        """A listening socket, a loop that only takes notes, and another worker."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "x")
        self.listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listening.close)
        self.listening.bind(self.path)
        self.listening.listen(50)
        self.listening.setblocking(False)
        counts = ConnectionCounts()
        self.addCleanup(counts.close)
        self.slot, self.other = (WorkerSlot(counts.fileno(), counts.take()) for _ in range(2))
        self.loop = _Loop()
        self.addCleanup(self.loop.epoll.close)
        self.wanted = True
        anything: Any = self.loop
        self.acceptor = Acceptor(anything, self.listening, self.build, self.slot)
        self.acceptor.startListening()
        self.other.start_accepting()

    def build(self, lost: Callable[[], object], received: bytes) -> asyncio.Protocol | None:
        """Make the protocol of a connection."""
        self.lost = lost
        return asyncio.Protocol() if self.wanted else None

    def connect(self, clients: int = 1) -> socket.socket:
        """Connect clients; the last of them."""
        for _ in range(clients):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.connect(self.path)
        return client

    def tearDown(self) -> None:
        """Close what was accepted."""
        for each in self.loop.opened:
            each.close()

    def test_interface(self) -> None:
        """It provides IListeningPort and has the socket's address."""
        verifyObject(IListeningPort, self.acceptor)
        self.assertEqual(self.acceptor.getHost(), UNIXAddress(self.path))

    def test_accepts(self) -> None:
        """A client is accepted, and counted until its connection is lost."""
        self.connect()
        self.loop.turn()
        self.assertEqual((len(self.loop.opened), self.slot.connections), (1, 1))
        self.assertFalse(self.loop.opened[0].getblocking())
        self.lost()
        self.assertEqual(self.slot.connections, 0)

    def test_yields(self) -> None:
        """With more connections than another worker, it accepts no more and pauses."""
        self.connect(3)
        self.loop.turn()
        self.assertEqual((len(self.loop.opened), self.loop.readers), (1, {}))
        self.assertEqual([seconds for seconds, _ in self.loop.later], [0.01])

    def test_yields_in_vain(self) -> None:
        """After the pause, it accepts a client that is still waiting."""
        self.connect(3)
        self.loop.turn()
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 2)
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 3)

    def test_other_worker_accepts(self) -> None:
        """If the other worker accepts some, it is left the rest until the counts are equal."""
        self.connect(4)
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 1)
        self.other_accepts(1)
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 2)
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 3)

    def test_other_worker_is_slow(self) -> None:
        """While the other worker has fewer and accepts some, this one accepts none."""
        self.other.stop_accepting()
        self.connect(7)
        for _ in range(3):
            self.connect()
        self.loop.turn()
        self.other.start_accepting()
        for _ in range(2):
            self.loop.turn()
            self.other_accepts(1)
            self.loop.wait()
        self.assertEqual(len(self.loop.opened), 8)

    def other_accepts(self, clients: int) -> None:
        """Let the other worker accept clients."""
        for _ in range(clients):
            self.listening.accept()[0].close()
            self.other.opened()

    def test_balanced_again(self) -> None:
        """Once the counts are equal, the pause ends at once."""
        self.connect(2)
        self.loop.turn()
        self.assertEqual(self.loop.readers, {})
        self.lost()
        self.assertEqual((len(self.loop.readers), self.loop.later), (1, []))
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 2)

    def serve(self, clients: int) -> None:
        """Serve clients whose connections are closed at once; an interval of turnover ends."""
        for _ in range(clients):
            self.connect()
            self.loop.turn()
            self.lost()
        self.loop.now += 0.05

    def test_short_connections(self) -> None:
        """A worker whose connections are closed as fast as they come accepts several, woken alone."""
        self.serve(4)
        self.connect(2)
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 4 + 2)
        self.assertTrue(self.acceptor._watch.is_exclusive)
        self.assertEqual([seconds for seconds, _ in self.loop.later], [0.1])

    def test_connections_stay(self) -> None:
        """When more connections stay than before, the worker leaves clients to others again."""
        self.serve(4)
        self.connect(6)
        self.loop.turn()
        self.assertEqual((len(self.loop.opened), self.loop.readers), (4 + 4, {}))
        self.assertFalse(self.acceptor._watch.is_exclusive)

    def test_woken_alone(self) -> None:
        """A worker that alone has been woken accepts one client, even if it has too many connections."""
        self.serve(4)
        self.serve(1)
        self.assertTrue(self.acceptor._watch.is_exclusive)
        self.slot.opened()
        self.loop.now += 10
        self.connect(2)
        self.loop.turn()
        self.assertEqual((len(self.loop.opened), self.acceptor._watch.is_exclusive), (4 + 1 + 1, False))
        self.loop.turn()
        self.assertEqual((len(self.loop.opened), self.loop.readers), (4 + 1 + 1, {}))

    def test_woken_in_vain(self) -> None:
        """A worker that is often woken for clients of others is no longer."""
        self.loop.turn()
        self.loop.now += 0.05
        self.loop.turn()
        self.assertTrue(self.acceptor._watch.is_exclusive)
        self.connect()
        self.loop.turn()
        self.assertEqual((len(self.loop.opened), self.acceptor._watch.is_exclusive), (1, False))

    def test_standby(self) -> None:
        """All workers but the one with the lowest number stand by while their connections are short."""
        anything: Any = self.loop
        self.acceptor._watch.stop()
        self.slot.start_accepting()
        self.acceptor = Acceptor(anything, self.listening, self.build, self.other)
        self.acceptor.startListening()
        self.serve(4)
        self.serve(1)
        self.assertFalse(self.acceptor._watch.is_exclusive)
        self.assertEqual([seconds for seconds, _ in self.loop.later], [0.01])
        self.slot.stop_accepting()
        self.serve(4)
        self.serve(1)
        self.assertTrue(self.acceptor._watch.is_exclusive)

    def test_lone(self) -> None:
        """A worker without others waits as at the start."""
        slot = WorkerSlot()
        anything: Any = self.loop
        self.acceptor._watch.stop()
        self.acceptor = Acceptor(anything, self.listening, self.build, slot)
        self.acceptor.startListening()
        self.serve(10)
        self.serve(10)
        self.assertFalse(self.acceptor._watch.is_exclusive)

    def test_stops_alone(self) -> None:
        """When it stops while it would be woken alone, no timer is left."""
        self.serve(4)
        self.serve(1)
        self.acceptor.stopListening()
        self.assertEqual((self.loop.later, self.loop.readers), ([], {}))

    def test_turns(self) -> None:
        """At most eight clients are accepted in one turn."""
        self.other.stop_accepting()
        self.connect(20)
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 8)
        self.loop.turn()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 20)

    def test_single_turns(self) -> None:
        """After a turn with one client, the next turns try to accept one only; later several again."""
        self.other.stop_accepting()
        working, calls = self.acceptor._accept, list[None]()

        def accept() -> tuple[int, Any]:
            calls.append(None)
            return working()

        self.acceptor._accept = accept
        for _ in range(1 + 16):
            self.connect()
            self.loop.turn()
        self.assertEqual((len(self.loop.opened), len(calls)), (17, 18))
        self.connect(8)
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 25)

    def test_refused(self) -> None:
        """A client that the factory refuses is closed and not counted."""
        self.wanted = False
        client = self.connect()
        self.loop.turn()
        client.settimeout(5)
        self.assertEqual((client.recv(1), self.slot.connections), (b"", 0))

    def test_no_descriptor(self) -> None:
        """Without a free file descriptor it logs that, at most every ten seconds, and tries again later."""

        def accept() -> tuple[int, Any]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        working, self.acceptor._accept = self.acceptor._accept, accept
        self.connect()
        with capturedLogs() as events:
            self.loop.turn()
            self.loop.wait()
            self.loop.turn()
            self.loop.now += 11
            self.loop.wait()
            self.loop.turn()
        message = "no client can be accepted: Too many open files"
        suppressed = "… 1 more like this in 10 s: failures to accept"
        self.assertEqual([formatEvent(event) for event in events], [message, suppressed, message])
        self.assertEqual(self.loop.readers, {})
        self.acceptor._accept = working
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 1)

    def test_stop(self) -> None:
        """When it stops during a pause, no timer or reader is left, and it no longer counts as accepting."""
        self.connect(2)
        self.loop.turn()
        self.acceptor.stopListening()
        self.assertEqual((self.loop.later, self.loop.readers, self.listening.fileno()), ([], {}, -1))
        self.assertEqual(self.other.least_loaded(), (2, 0))


class RealLoopTests(SynchronousTestCase):
    """With the loop's own transports, and no other worker."""

    def setUp(self) -> None:
        """Listen."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "x")
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(self.path)
        self.listening.listen()
        self.listening.setblocking(False)
        self.loop, self.slot = Loop(), WorkerSlot()
        self.addCleanup(self.loop.close)
        self.made: list[LoopTransport] = []
        self.wanted: Any = True
        self.acceptor = Acceptor(self.loop, self.listening, self.build, self.slot)
        self.acceptor.startListening()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Close everything that the loop would have to close."""
        for each in self.made:
            each.abortConnection()
        if self.listening.fileno() >= 0:
            self.acceptor.stopListening()
        self.loop.turn()
        self.loop.turn()

    def build(self, lost: Callable[[], object], received: bytes) -> LoopTransport | None:
        """Make the protocol of a connection."""
        if self.wanted is True:
            self.made.append(LoopTransport(Echo(), UNIXAddress(None), lost))
            return self.made[-1]
        if self.wanted is None:
            return None
        raise self.wanted

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
        for _ in range(2000):
            try:
                return client.recv(100)
            except BlockingIOError:
                self.loop.turn()
        self.fail("there is no reply")

    def test_converses(self) -> None:
        """A client is served and counted until it disconnects."""
        client = self.connect()
        self.assertEqual(self.answer(client, b"hello"), b"hello")
        self.assertEqual(self.slot.connections, 1)
        client.close()
        for _ in range(2000):
            self.loop.turn()
        self.assertEqual(self.slot.connections, 0)

    def test_contexts(self) -> None:
        """Context variables of one connection are not visible in another."""
        first, second = self.connect(), self.connect()
        self.assertEqual(self.answer(first, b"1"), b"1")
        self.assertEqual(self.answer(second, b"2"), b"2")
        self.assertEqual(self.answer(first, b"3"), b"13")

    def test_last(self) -> None:
        """Clients that have connected before it stops are served, if no other worker accepts."""
        clients = [self.connect() for _ in range(20)]
        self.acceptor.stopListening()
        self.assertEqual([self.answer(each, b"1") for each in clients], [b"1"] * 20)
        self.assertRaises(ConnectionRefusedError, self.connect)

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
        self.assertEqual(self.answer(self.connect(), b"hello"), b"hello")
