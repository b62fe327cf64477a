"""Each private API of another library behaves as this project relies on."""

from __future__ import annotations

import asyncio
import atexit
import os
import select
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any, cast

import uvloop
from twisted.internet import tcp
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.unit.orchestrator.worker.test_privileges import in_child
from unixsvc.domain.coroutine import run_without_waiting
from unixsvc.transport.private_apis import (
    accept_function,
    asyncio_loop_of,
    close_without_shutdown,
    connect_descriptors,
    duplicate_epoll,
    mark_awaited,
    mocks_when_needed,
    poll_descriptor,
    reserve_descriptor_for_accept,
    run_exit_handlers,
    tls_when_needed,
    twisted_write_buffer_size,
)

_LOOPS: list[Callable[[], asyncio.AbstractEventLoop]] = [asyncio.new_event_loop, uvloop.new_event_loop]


class WriteBufferTests(SynchronousTestCase):
    """``twisted.internet.abstract.FileDescriptor._tempDataLen``."""

    def test_size(self) -> None:
        """It has the bytes that were written last; those before are public."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        ours.setblocking(False)
        connection = tcp.Connection(ours, Protocol(), SelectReactor())
        connection.connected = True
        self.addCleanup(connection.stopWriting)
        self.addCleanup(ours.close)
        self.assertEqual(twisted_write_buffer_size(connection), 0)
        connection.write(b"a" * 10_000_000)
        self.assertEqual(twisted_write_buffer_size(connection), 10_000_000)
        connection.doWrite()
        taken = 10_000_000 - twisted_write_buffer_size(connection)
        self.assertEqual(len(theirs.recv(10_000_000)), taken)
        self.assertEqual(twisted_write_buffer_size(object()), 0)


class AcceptTests(SynchronousTestCase):
    """``socket.socket._accept``."""

    def test_accept(self) -> None:
        """It gives the descriptor of a new connection, and raises when no client waits."""
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.setblocking(False)
            accept = accept_function(listening)
            self.assertRaises(BlockingIOError, accept)
            with socket.create_connection(listening.getsockname()) as client:
                descriptor, address = accept()
                with socket.socket(fileno=descriptor) as accepted:
                    self.assertEqual(address, client.getsockname())
                    client.sendall(b"x")
                    accepted.setblocking(True)
                    self.assertEqual(accepted.recv(1), b"x")


class FutureTests(SynchronousTestCase):
    """``asyncio.Future._asyncio_future_blocking``."""

    def test_mark(self) -> None:
        """Two coroutines that are driven by hand can await one future only if it is marked."""
        for make_loop in _LOOPS:
            for marked in (True, False):
                loop = make_loop()
                self.addCleanup(loop.close)
                future = loop.create_future()

                async def wait(future: asyncio.Future[int] = future) -> int:
                    return await future

                first, second = wait(), wait()
                self.assertIs(first.send(None), future)
                if marked:
                    mark_awaited(future)
                    self.assertIs(second.send(None), future)
                    future.set_result(7)
                    for coroutine in (first, second):
                        with self.assertRaises(StopIteration) as stopped:
                            coroutine.send(None)
                        self.assertEqual(stopped.exception.value, 7)
                else:
                    self.assertRaises(RuntimeError, second.send, None)
                    first.close()


class RunWithoutWaitingTests(SynchronousTestCase):
    """Coroutines of the event loop that never wait."""

    def test_create_server(self) -> None:
        """Uvloop's ``create_server`` never waits if it is given a socket, and serves before the loop runs."""
        loop = uvloop.new_event_loop()
        self.addCleanup(loop.close)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = run_without_waiting(loop.create_server(asyncio.Protocol, sock=listening))
            self.assertTrue(server.is_serving())
            server.close()

    def test_waits(self) -> None:
        """A coroutine that waits is an error, and is closed."""
        closed = []

        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        future = loop.create_future()

        async def wait() -> None:
            try:
                await future
            finally:
                closed.append(True)

        self.assertRaises(RuntimeError, run_without_waiting, wait())
        self.assertEqual(closed, [True])


class LoopOfReactorTests(SynchronousTestCase):
    """``AsyncioSelectorReactor._asyncioEventloop``."""

    def test_asyncio(self) -> None:
        """The loop that the reactor was made with, whether it runs or not."""
        for make_loop in _LOOPS:
            loop = make_loop()
            self.addCleanup(loop.close)
            self.assertIs(asyncio_loop_of(AsyncioSelectorReactor(loop)), loop)

    def test_other_reactors(self) -> None:
        """A reactor of another kind has none."""
        self.assertIsNone(asyncio_loop_of(SelectReactor()))


class _Echo(Protocol):
    def __init__(self) -> None:
        self.lost: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data)
        transport.loseConnection()

    def connectionLost(self, reason: object = None) -> None:
        self.lost.callback(None)


class ConnectDescriptorsTests(TestCase):
    """``twisted.internet._posixstdio.StandardIO``."""

    async def test_connect(self) -> None:
        """The protocol reads from one descriptor and writes to the other."""
        from twisted.internet import reactor

        reader, to_protocol = os.pipe()
        from_protocol, writer = os.pipe()
        protocol = _Echo()
        connect_descriptors(protocol, reader, writer, cast(IReactorFDSet, reactor))
        os.write(to_protocol, b"hello")
        await protocol.lost
        self.assertEqual(os.read(from_protocol, 9), b"hello")
        for descriptor in (to_protocol, from_protocol, reader, writer):
            os.close(descriptor)


class AcceptReserveTests(SynchronousTestCase):
    """``twisted.internet.tcp._reservedFD``."""

    def test_reserve(self) -> None:
        """It is available after the call, also the second time."""
        for _ in range(2):
            reserve_descriptor_for_accept()
            self.assertTrue(tcp._reservedFD.available())


class CloseTests(SynchronousTestCase):
    """``twisted.internet.tcp.Port._shouldShutdown``."""

    def test_close(self) -> None:
        """Another descriptor of the socket listens on after the port has closed its own."""
        for without in True, False:
            with socket.create_server(("127.0.0.1", 0)) as listening:
                listening.setblocking(False)
                reactor: Any = SelectReactor()
                port = reactor.adoptStreamPort(listening.fileno(), socket.AF_INET, Factory())
                port._shouldShutdown = True
                if without:
                    close_without_shutdown(port)
                port.connectionLost(None)
                with socket.socket() as client:
                    self.assertEqual(client.connect_ex(listening.getsockname()) == 0, without)


class TlsWhenNeededTests(SynchronousTestCase):
    """Modules that stand in for Twisted's TLS; the reactor's use of them is a functional test."""

    def test_stand_ins(self) -> None:
        """In the context the modules are stand-ins with the factory; afterwards they are not loaded."""
        names = ("twisted.protocols.tls", "twisted.internet.ssl")
        loaded = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        try:
            with tls_when_needed():
                stand_in: Any = sys.modules[names[0]]
                self.assertTrue(callable(stand_in.TLSMemoryBIOFactory))
            self.assertFalse(set(names) & set(sys.modules))
        finally:
            sys.modules.update(loaded)

    def test_loaded(self) -> None:
        """Where TLS is loaded already, nothing changes."""
        loaded = import_module("twisted.protocols.tls")
        with tls_when_needed():
            self.assertIs(sys.modules["twisted.protocols.tls"], loaded)


class MocksWhenNeededTests(SynchronousTestCase):
    """A module that stands in for ``unittest.mock`` while svcs is imported."""

    def setUp(self) -> None:
        """Make svcs and ``unittest.mock`` as if they were not loaded."""
        before = dict(sys.modules)
        for name in before:
            if name == "unittest.mock" or name.split(".")[0] == "svcs":
                del sys.modules[name]
        self.addCleanup(sys.modules.update, before)

    def test_svcs(self) -> None:
        """Svcs is imported without ``unittest.mock``, and refuses an asynchronous context manager."""
        with mocks_when_needed():
            svcs: Any = import_module("svcs")
        registry = svcs.Registry()
        registry.register_factory(AsyncExitStack, AsyncExitStack)
        self.assertRaises(TypeError, svcs.Container(registry).get, AsyncExitStack)
        self.assertNotIn("unittest.mock", sys.modules)

    def test_mock(self) -> None:
        """Svcs accepts a ``MagicMock``, although it has the methods of an asynchronous context manager."""
        with mocks_when_needed():
            svcs: Any = import_module("svcs")
        mock: Any = import_module("unittest.mock").MagicMock()
        registry = svcs.Registry()
        registry.register_factory(object, lambda: mock, enter=False)
        self.assertIs(svcs.Container(registry).get(object), mock)

    def test_other_names(self) -> None:
        """An import of another name gets that of the real module, which stays loaded."""
        with mocks_when_needed():
            stand_in: Any = sys.modules["unittest.mock"]
            patch = stand_in.patch
        self.assertIs(patch, sys.modules["unittest.mock"].patch)

    def test_loaded(self) -> None:
        """Where ``unittest.mock`` is loaded already, nothing changes."""
        loaded = import_module("unittest.mock")
        with mocks_when_needed():
            self.assertIs(sys.modules["unittest.mock"], loaded)


class PollTests(SynchronousTestCase):
    """``uvloop.Loop._get_backend_id``."""

    def test_poll(self) -> None:
        """It is the descriptor of the loop's epoll."""
        loop = uvloop.new_event_loop()
        self.addCleanup(loop.close)
        self.assertEqual(os.readlink(f"/proc/self/fd/{poll_descriptor(loop)}"), "anon_inode:[eventpoll]")

    def test_replaced_entry(self) -> None:
        """An entry with other flags and the same data calls the reader, and is removed with it.

        libuv adds its own when the loop waits next, and never modifies it: the kernel would refuse that.
        """
        loop = uvloop.new_event_loop()
        self.addCleanup(loop.close)
        epoll = duplicate_epoll(loop)
        self.addCleanup(epoll.close)
        own, other = socket.socketpair()
        with own, other:
            calls = list[bytes]()
            for number in range(3):
                loop.add_reader(own, lambda: calls.append(own.recv(1)))
                self.assertRaises(FileNotFoundError, epoll.unregister, own)
                loop.run_until_complete(asyncio.sleep(0.001))
                epoll.unregister(own)
                epoll.register(own, select.EPOLLIN | select.EPOLLEXCLUSIVE)
                self.assertRaises(OSError, epoll.modify, own, select.EPOLLIN)
                loop.add_reader(own, lambda: calls.append(own.recv(1)))
                other.send(b"x")
                loop.run_until_complete(asyncio.sleep(0.001))
                self.assertEqual(len(calls), number + 1)
                loop.remove_reader(own)
                self.assertRaises(FileNotFoundError, epoll.unregister, own)


class ExitTests(SynchronousTestCase):
    """``threading._shutdown`` and ``atexit._run_exitfuncs``."""

    def test_handlers(self) -> None:
        """Threads are waited for, executors are shut down, and then the handlers of atexit are called."""
        reading, writing = os.pipe()

        def end() -> int:
            atexit._clear()  # those of this test run
            atexit.register(os.write, writing, b"handler ")
            executor = ThreadPoolExecutor(1)
            executor.submit(os.write, writing, b"executor ").result()
            release = threading.Event()

            def write_late() -> None:
                release.wait()
                os.write(writing, b"thread ")

            threading.Thread(target=write_late).start()
            threading.Timer(0.01, release.set).start()
            run_exit_handlers()
            return threading.active_count()

        self.assertEqual(in_child(end), 1)
        self.assertEqual(os.read(reading, 100), b"executor thread handler ")
