"""Accepting clients from a socket that workers share."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import tempfile
from collections.abc import Callable
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IListeningPort
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from unixsvc.listen.acceptor import Acceptor
from unixsvc.listen.connection_counts import ConnectionCounts, WorkerSlot


class _Protocol(asyncio.Protocol):
    """Sends back what it gets."""

    def __init__(self, gone: Callable[[], object]) -> None:
        self._gone = gone

    def connection_made(self, transport: Any) -> None:
        """The loop has a connection."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._gone()


class _Loop:
    """Notes what it is asked to do."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[], None]] = {}
        self.later: list[tuple[float, Callable[[], None]]] = []
        self.opened: list[socket.socket] = []
        self.now = 100.0

    def add_reader(self, descriptor: int, call: Callable[[], None]) -> None:
        """Have it called when there is something to read."""
        self.readers[descriptor] = call

    def remove_reader(self, descriptor: int) -> None:
        """Not any more."""
        self.readers.pop(descriptor, None)

    def time(self) -> float:
        """Now, in seconds."""
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> Any:
        """Have it called then."""
        entry = (seconds, call)
        self.later.append(entry)
        loop = self

        class _Handle:
            def cancel(self) -> None:
                """Not any more."""
                loop.later.remove(entry)

        return _Handle()

    async def connect_accepted_socket(self, make: Callable[[], object], connection: socket.socket) -> None:
        """A connection is there."""
        make()
        self.opened.append(connection)

    def turn(self) -> None:
        """There is something to read."""
        for call in list(self.readers.values()):
            call()

    def wait(self) -> None:
        """The time has come."""
        later, self.later = self.later, []
        for _, call in later:
            call()


class AcceptorTests(SynchronousTestCase):
    """Whom it takes, and when."""

    def setUp(self) -> None:
        """A socket that listens, a loop that does nothing by itself, and a sibling."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "x")
        self.listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listening.close)
        self.listening.bind(self.path)
        self.listening.listen(50)
        self.listening.setblocking(False)
        tally = ConnectionCounts()
        self.addCleanup(tally.close)
        self.place, self.sibling = (WorkerSlot(tally.fileno(), tally.take()) for _ in range(2))
        self.loop = _Loop()
        self.wanted = True
        anything: Any = self.loop
        self.acceptor = Acceptor(anything, self.listening, self.build, self.place)
        self.acceptor.startListening()
        self.sibling.start_accepting()

    def build(self, gone: Callable[[], object]) -> _Protocol | None:
        """The protocol of a connection."""
        self.gone = gone
        return _Protocol(gone) if self.wanted else None

    def connect(self, clients: int = 1) -> socket.socket:
        """Somebody wants to be accepted; the last of them."""
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
        """It is what listens for Twisted."""
        verifyObject(IListeningPort, self.acceptor)
        self.assertEqual(self.acceptor.getHost(), UNIXAddress(self.path))

    def test_accepts(self) -> None:
        """A client is accepted, and counted until it is gone."""
        self.connect()
        self.loop.turn()
        self.assertEqual((len(self.loop.opened), self.place.connections), (1, 1))
        self.assertFalse(self.loop.opened[0].getblocking())
        self.gone()
        self.assertEqual(self.place.connections, 0)

    def test_leaves_some(self) -> None:
        """With a sibling that has fewer, it takes no further one, and looks away for a moment."""
        self.connect(3)
        self.loop.turn()
        self.assertEqual((len(self.loop.opened), self.loop.readers), (1, {}))
        self.assertEqual([seconds for seconds, _ in self.loop.later], [0.01])

    def test_nobody_takes_them(self) -> None:
        """After that moment, it takes those that still wait."""
        self.connect(3)
        self.loop.turn()
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 2)
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 3)

    def test_the_sibling_takes_it(self) -> None:
        """If the sibling takes some, the rest is left to it too, until it has as many."""
        self.connect(4)
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 1)
        self.sibling_takes(1)
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 2)
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 3)

    def test_the_sibling_is_slow(self) -> None:
        """While the sibling still has fewer and takes some, no more is taken here."""
        self.sibling.stop_accepting()
        self.connect(7)
        for _ in range(3):
            self.connect()
        self.loop.turn()
        self.sibling.start_accepting()
        for _ in range(2):
            self.loop.turn()
            self.sibling_takes(1)
            self.loop.wait()
        self.assertEqual(len(self.loop.opened), 8)

    def sibling_takes(self, clients: int) -> None:
        """It accepts so many."""
        for _ in range(clients):
            self.listening.accept()[0].close()
            self.sibling.opened()

    def test_has_fewer_by_now(self) -> None:
        """Once it has as few as the sibling, it does not wait for the moment to be over."""
        self.connect(2)
        self.loop.turn()
        self.assertEqual(self.loop.readers, {})
        self.gone()
        self.assertEqual((len(self.loop.readers), self.loop.later), (1, []))
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 2)

    def test_turns(self) -> None:
        """It does not go on accepting for ever while those that are here wait."""
        self.sibling.stop_accepting()
        self.connect(20)
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 8)
        self.loop.turn()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 20)

    def test_singly(self) -> None:
        """Where clients come one by one, it does not look each time for another; it does again later."""
        self.sibling.stop_accepting()
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

    def test_unwanted(self) -> None:
        """A client that the factory does not want is closed, and not counted."""
        self.wanted = False
        client = self.connect()
        self.loop.turn()
        client.settimeout(5)
        self.assertEqual((client.recv(1), self.place.connections), (b"", 0))

    def test_no_descriptor(self) -> None:
        """Where no descriptor is left, it says so, and tries again later."""

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
        self.assertIn("Too many open files", events[0]["error"])
        self.assertEqual(len(events), 2)  # of three times, as two are soon one after the other
        self.assertEqual(self.loop.readers, {})
        self.acceptor._accept = working
        self.loop.wait()
        self.loop.turn()
        self.assertEqual(len(self.loop.opened), 1)

    def test_stop(self) -> None:
        """When it stops, in the midst of looking away, nothing is left to do, and nobody waits for it."""
        self.connect(2)
        self.loop.turn()
        self.acceptor.stopListening()
        self.assertEqual((self.loop.later, self.loop.readers, self.listening.fileno()), ([], {}, -1))
        self.assertEqual(self.sibling.least_loaded(), (2, 0))


class RealLoopTests(SynchronousTestCase):
    """With the loop's own transports."""

    def test_converses(self) -> None:
        """A client is served, to its end."""
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(os.path.join(folder, "x"))
            listening.listen()
            listening.setblocking(False)
            loop, place = asyncio.new_event_loop(), WorkerSlot()
            self.addCleanup(loop.close)
            acceptor = Acceptor(loop, listening, _Protocol, place)

            async def converse() -> bytes:
                acceptor.startListening()
                reader, writer = await asyncio.open_unix_connection(os.path.join(folder, "x"))
                writer.write(b"hello")
                answer = await reader.readexactly(5)
                self.assertEqual(place.connections, 1)
                writer.close()
                while place.connections:
                    await asyncio.sleep(0)
                acceptor.stopListening()
                return answer

            self.assertEqual(loop.run_until_complete(asyncio.wait_for(converse(), 5)), b"hello")
