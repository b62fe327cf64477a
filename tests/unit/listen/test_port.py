"""Accepting clients by the loop's own server, or by hand, as it is right at the time."""

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
    """A socket that listens, in a worker that has a sibling now and then."""

    def setUp(self) -> None:
        """Listen; the sibling has not begun to."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "x")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.path)
        listening.listen(123)
        listening.setblocking(False)
        self.theirs = listening.dup()  # as the siblings have it, and the orchestrator
        self.addCleanup(self.theirs.close)
        tally = ConnectionCounts()
        self.addCleanup(tally.close)
        self.place, self.sibling = (WorkerSlot(tally.fileno(), tally.take()) for _ in range(2))
        self.loop = Loop()
        self.addCleanup(self.loop.close)
        self.made: list[LoopTransport] = []
        self.wanted: Any = True
        self.stopped = False
        self.port = AdaptivePort(
            self.loop, Acceptor(self.loop, listening, self.build, self.place), self.build, self.place
        )
        self.port.startListening()
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Have nothing left that the loop would have to close."""
        for each in self.made:
            each.abortConnection()
        if not self.stopped:
            self.port.stopListening()
        self.loop.turn()
        self.loop.turn()

    def build(self, *calls: Any) -> LoopTransport | None:
        """The protocol of a connection."""
        if self.wanted is True:
            protocol = Factory.forProtocol(Echo).buildProtocol(UNIXAddress(None))
            assert protocol is not None
            self.made.append(LoopTransport(protocol, UNIXAddress(None), *calls))
            return self.made[-1]
        if self.wanted is None:
            return None
        raise self.wanted

    def eventually(self, done: Callable[[], object]) -> None:
        """Let the loop turn until something is so."""
        for _ in range(_TURNS):
            if done():
                return
            self.loop.turn()
        self.fail("it never was")

    def connect(self) -> socket.socket:
        """Somebody wants to be accepted."""
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(self.path)
        client.setblocking(False)
        return client

    def answer(self, client: socket.socket, words: bytes) -> bytes:
        """What is answered to something."""
        client.send(words)
        return self.heard(client)

    def heard(self, client: socket.socket) -> bytes:
        """What somebody is told, as soon as there is something."""
        heard: list[bytes] = []

        def hear() -> bool:
            try:
                heard.append(client.recv(100))
            except BlockingIOError:
                return False
            return True

        self.eventually(hear)
        return heard[0]

    def assertConverses(self) -> socket.socket:
        """Somebody comes, is counted once, and answered."""
        before = self.place.connections
        client = self.connect()
        self.assertEqual(self.answer(client, b"hello"), b"hello")
        self.assertEqual(self.place.connections, before + 1)
        return client

    def by_loop(self) -> bool:
        """Whether the loop accepts."""
        return self.port._loop_acceptor.serves

    def test_interface(self) -> None:
        """It is what listens for Twisted."""
        verifyObject(IListeningPort, self.port)
        self.assertEqual(self.port.getHost(), UNIXAddress(self.path))

    def test_alone(self) -> None:
        """Who is alone has the loop accept, and looks for nothing; connections are counted to their end."""
        self.assertEqual((self.by_loop(), self.loop.later), (True, []))
        self.assertConverses().close()
        self.eventually(lambda: self.place.connections == 0)

    def test_as_it_was(self) -> None:
        """The socket stays as the others have it: its backlog, and that it does not block."""
        self.assertAsItWas()
        self.sibling.start_accepting()
        self.assertConverses()
        self.eventually(lambda: not self.by_loop())
        self.assertAsItWas()
        self.sibling.stop_accepting()
        self.loop.wait()
        self.assertTrue(self.by_loop())
        self.assertAsItWas()
        self.port.stopListening()
        self.stopped = True
        self.assertAsItWas()
        self.connect()  # the siblings still listen
        self.theirs.accept()[0].close()

    def assertAsItWas(self) -> None:
        """For the others, nothing has changed."""
        self.assertEqual(backlog_of(self.theirs), 123)
        self.assertTrue(fcntl.fcntl(self.theirs, fcntl.F_GETFL) & os.O_NONBLOCK)

    def test_peer(self) -> None:
        """Of a connection that the loop has accepted, the other end is known."""
        client = self.assertConverses()
        self.assertEqual(peer_of(self.made[0]), Peer(os.geteuid(), os.getegid(), os.getpid()))
        self.assertEqual(self.answer(client, b"x"), b"hellox")  # nothing has been closed by that

    def test_sibling(self) -> None:
        """While there is a sibling, clients are accepted by hand, and so may be left to it."""
        self.sibling.start_accepting()
        client = self.assertConverses()
        self.eventually(lambda: not self.by_loop())
        waiting = self.connect()
        self.loop.turn()
        self.loop.turn()
        self.assertEqual(self.place.connections, 1)
        self.theirs.accept()[0].close()
        self.sibling.opened()
        self.assertEqual(self.answer(client, b"there"), b"hellothere")
        waiting.close()

    def test_alone_again(self) -> None:
        """When it has gone, the loop accepts again, and connections of before go on."""
        self.sibling.start_accepting()
        client = self.assertConverses()
        self.eventually(lambda: not self.by_loop())
        self.loop.wait()
        self.assertFalse(self.by_loop())
        self.sibling.stop_accepting()
        self.loop.wait()
        self.assertEqual((self.by_loop(), self.loop.later), (True, []))
        self.assertConverses()
        self.assertEqual(self.answer(client, b"x"), b"hellox")
        self.assertEqual(self.place.connections, 2)

    def test_nobody_is_lost(self) -> None:
        """Whoever comes while the ways change is accepted, and once."""
        clients = []
        for joined in (True, False) * 10:
            clients += [self.connect() for _ in range(3)]
            (self.sibling.start_accepting if joined else self.sibling.stop_accepting)()
            self.loop.turn()
            self.loop.wait()
        self.sibling.stop_accepting()
        self.loop.wait()
        self.eventually(lambda: self.place.connections == len(clients))
        self.assertEqual([self.answer(each, b"1") for each in clients], [b"1"] * len(clients))
        self.assertEqual(len(self.made), len(clients))

    def test_many(self) -> None:
        """With many, several are accepted by hand in a turn; with few, the loop accepts again."""
        clients = [self.connect() for _ in range(70)]
        self.eventually(lambda: self.place.connections == len(clients))
        self.assertFalse(self.by_loop())
        for each in clients[30:]:
            each.close()
        self.loop.wait()
        self.assertFalse(self.by_loop())
        self.eventually(lambda: self.place.connections == 30)
        self.loop.wait()
        self.assertTrue(self.by_loop())

    def test_descriptors(self) -> None:
        """Before none is left, clients are accepted by hand, who then wait and are not dropped."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        highest = max(map(int, os.listdir("/proc/self/fd")))
        most = highest + 200
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        self.sibling.start_accepting()
        self.assertConverses()
        self.sibling.stop_accepting()
        self.eventually(lambda: not self.by_loop())
        self.loop.wait()
        self.assertTrue(self.by_loop())
        opened: list[int] = []
        while not opened or opened[-1] < most - 70:
            opened.append(os.dup(0))
        self.assertConverses()
        self.assertTrue(self.by_loop())
        while opened[-1] < most - 65:
            opened.append(os.dup(0))
        self.assertConverses()
        self.eventually(lambda: not self.by_loop())
        os.close(opened.pop(0))  # the next number is low, and yet there is no room
        self.assertConverses()
        self.loop.wait()
        self.assertFalse(self.by_loop())
        for each in opened:
            os.close(each)
        self.loop.wait()
        self.assertTrue(self.by_loop())

    def test_last(self) -> None:
        """Whoever has connected before it stops is still served, as nobody else is there for that."""
        clients = [self.connect() for _ in range(20)]
        self.port.stopListening()
        self.stopped = True
        self.assertEqual([self.answer(each, b"1") for each in clients], [b"1"] * 20)
        self.assertRaises(ConnectionRefusedError, self.refused)

    def refused(self) -> None:
        """Connect where nobody listens any more."""
        self.theirs.close()
        self.connect()

    def test_unwanted(self) -> None:
        """Clients that are not wanted, or whose protocol cannot be made, are closed; the next is served."""
        for wanted in (None, ZeroDivisionError()):
            self.wanted = wanted
            client = self.connect()
            with capturedLogs() as events:
                self.assertEqual(self.heard(client), b"")
            self.assertEqual((len(events), self.place.connections), (1 if wanted else 0, 0))
        self.flushLoggedErrors(ZeroDivisionError)
        self.wanted = True
        self.assertTrue(self.by_loop())
        self.assertConverses()

    def test_contexts(self) -> None:
        """What is set for one connection is not found by another's."""
        first, second = self.connect(), self.connect()
        self.assertEqual(self.answer(first, b"1"), b"1")
        self.assertEqual(self.answer(second, b"2"), b"2")
        self.assertEqual(self.answer(first, b"3"), b"13")

    def test_loop_cannot(self) -> None:
        """If the loop cannot accept after all, it is said once, and clients are accepted by hand."""
        self.sibling.start_accepting()
        self.assertConverses()
        self.sibling.stop_accepting()
        self.eventually(lambda: not self.by_loop())

        async def create_server(*arguments: Any, **options: Any) -> Any:
            raise OSError("no")

        self.loop.create_server = create_server  # type: ignore[method-assign]
        with capturedLogs() as events:
            self.loop.wait()
        self.assertEqual((len(events), self.by_loop(), self.loop.later), (1, False, []))
        self.assertConverses()
