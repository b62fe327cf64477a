"""The transport between Twisted's protocols and the loop's transports."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from functools import partial
from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IPushProducer,
    IStreamServerEndpoint,
    ISystemHandle,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass, verifyObject

from unixsvc.listen.adopted import AdoptedServerEndpoint
from unixsvc.listen.balance.connection_counts import WorkerSlot
from unixsvc.listen.endpoint import BoundUNIXServerEndpoint
from unixsvc.listen.interfaces import IAdoptingEndpoint
from unixsvc.transport.loop_transport import LoopTransport


class _FromLoop:
    """A transport as a loop gives it: notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[Any] = []
        self.closing = False

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self.closing

    def get_extra_info(self, name: str) -> str:
        """Something that there is to know."""
        return "" if name == "peername" else f"the {name}"

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: self.done.append((name, *arguments, *named.values()))


class _Plain(Protocol):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    def dataReceived(self, data: bytes) -> None:
        """Bytes."""
        self.received.append(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The end."""
        self.received.append(type(reason.value) if reason else None)


@implementer(IHalfCloseableProtocol)
class _HalfCloseable(_Plain):
    def readConnectionLost(self) -> None:
        """The end of one side."""
        self.received.append("half")

    def writeConnectionLost(self) -> None:
        """The end of the other."""


@implementer(IPushProducer)
class _Producer:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        """Wait."""
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        """Go on."""
        self.calls.append("resume")

    def stopProducing(self) -> None:
        """Nothing here stops it."""


class LoopTransportTests(SynchronousTestCase):
    """Bytes and events in both directions."""

    def connect(self, protocol: _Plain) -> LoopTransport:
        """A connected transport."""
        self.protocol, self.loops, self.lost = protocol, _FromLoop(), list[int]()
        transport: Any = LoopTransport(protocol, UNIXAddress("/run/x.sock"), lambda: self.lost.append(1))
        transport.connection_made(self.loops)
        self.loops.done.clear()
        joined: LoopTransport = transport
        return joined

    def test_interfaces(self) -> None:
        """Transports and endpoints provide Twisted's interfaces."""
        transport = self.connect(_Plain())
        for interface in (ITransport, IConsumer, ISystemHandle):
            verifyObject(interface, transport)
        for kind in (AdoptedServerEndpoint, BoundUNIXServerEndpoint):
            verifyClass(IStreamServerEndpoint, kind)
            verifyClass(IAdoptingEndpoint, kind)

    def test_bytes(self) -> None:
        """Bytes pass in both directions."""
        transport = self.connect(_Plain())
        transport.data_received(b"in")
        transport.write(b"out")
        transport.writeSequence([b"a", b"b"])
        self.assertEqual(self.protocol.received, [b"in"])
        self.assertEqual(self.loops.done, [("write", b"out"), ("writelines", [b"a", b"b"])])

    def test_start(self) -> None:
        """What was received before there was a transport is delivered first, once the loop reads."""

        def deliver(transport: Any) -> None:
            transport.start()

        def more(transport: Any) -> None:
            transport.data_received(b"second")

        for deliveries in ((deliver, more), (more, deliver), (more,), (deliver, deliver, more)):
            protocol, loops = _Plain(), _FromLoop()
            transport = LoopTransport(
                protocol, UNIXAddress(None), bool, partial(protocol.dataReceived, b"first")
            )
            transport.connection_made(loops)  # type: ignore[arg-type]  # has only what the transport calls
            self.assertEqual(protocol.received, [])
            for each in deliveries:
                each(transport)
            self.assertEqual(protocol.received, [b"first", b"second"])

    def test_ends_before_start(self) -> None:
        """It is delivered also if the connection ends before the loop reads."""
        for end in "eof_received", "connection_lost":
            protocol = _Plain()
            transport: Any = LoopTransport(
                protocol, UNIXAddress(None), bool, partial(protocol.dataReceived, b"first")
            )
            transport.connection_made(_FromLoop())
            transport.eof_received() if end == "eof_received" else transport.connection_lost(None)
            transport.start()
            self.assertEqual(protocol.received[:1], [b"first"])

    def test_end(self) -> None:
        """A clean end is ConnectionDone, an error ConnectionLost."""
        for error, kind in ((None, ConnectionDone), (OSError("reset"), ConnectionLost)):
            transport = self.connect(_Plain())
            transport.connection_lost(error)
            self.assertEqual((self.protocol.received, self.lost), ([kind], [1]))

    def test_nothing_is_left(self) -> None:
        """After the end the transport is freed at once, without the garbage collector."""
        transport: Any = self.connect(_Plain())
        lost = weakref.ref(transport)
        gc.disable()
        self.addCleanup(gc.enable)
        transport.connection_lost(None)
        transport.data_received(b"late")
        transport.resume_writing()
        self.assertEqual(self.protocol.received, [ConnectionDone])
        del transport, self.protocol
        self.assertIsNone(lost())

    def test_half_closed(self) -> None:
        """A half-closeable protocol is notified of the end of input; any other is closed."""
        self.assertFalse(self.connect(_Plain()).eof_received())
        self.assertTrue(self.connect(_HalfCloseable()).eof_received())
        self.assertEqual(self.protocol.received, ["half"])

    def test_producer(self) -> None:
        """A streaming producer is paused while the buffer is full; a pull producer is refused."""
        transport, producer = self.connect(_Plain()), _Producer()
        transport.pause_writing()
        transport.registerProducer(producer, True)
        transport.pause_writing()
        transport.resume_writing()
        transport.unregisterProducer()
        transport.pause_writing()
        self.assertEqual(producer.calls, ["pause", "resume"])
        self.assertRaises(ValueError, transport.registerProducer, producer, False)

    def test_calls(self) -> None:
        """Calls are passed to the loop's transport, except while that is closing."""
        for closing in (False, True):
            transport = self.connect(_Plain())
            self.loops.closing = closing
            transport.pauseProducing()
            transport.resumeProducing()
            transport.loseWriteConnection()
            expected = [] if closing else [("pause_reading",), ("resume_reading",), ("write_eof",)]
            self.assertEqual(self.loops.done, expected)
        transport.loseConnection()
        transport.abortConnection()
        self.assertEqual(self.loops.done, [("close",), ("abort",)])

    def test_line_receiver(self) -> None:
        """Protocols that ask whether the connection is being closed can: lines after a close are ignored."""
        received: list[bytes] = []

        class Lines(LineReceiver):
            def lineReceived(self, line: bytes) -> None:
                received.append(line)
                loops.closing = line == b"end"

        loops, transport = _FromLoop(), LoopTransport(Lines(), UNIXAddress("/run/x.sock"), list)
        transport.connection_made(loops)  # type: ignore[arg-type]  # has only what the transport calls
        transport.data_received(b"one\r\ntwo\r\n")
        self.assertFalse(transport.disconnecting)
        transport.data_received(b"end\r\nlate\r\n")
        self.assertTrue(transport.disconnecting)
        self.assertEqual(received, [b"one", b"two", b"end"])

    def test_addresses(self) -> None:
        """It has the listening address and the socket; the peer's address is empty."""
        transport = self.connect(_Plain())
        self.assertEqual(transport.getHost(), UNIXAddress("/run/x.sock"))
        self.assertEqual(transport.getPeer(), UNIXAddress(None))
        self.assertEqual(transport.getHandle(), "the socket")
        with socket.socket() as known:
            transport.connection = known
            self.assertIs(transport.getHandle(), known)


class _Sockets:
    """A reactor that adopts connections: notes what they were at that moment."""

    def __init__(self) -> None:
        self.adopted: list[Any] = []

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> None:
        """Read from the socket, as a reactor could."""
        with socket.fromfd(fileDescriptor, addressFamily, socket.SOCK_STREAM) as found:
            self.adopted.append((found.recv(9), factory))


class AdoptTests(SynchronousTestCase):
    """Connections that something else has accepted."""

    def setUp(self) -> None:
        """A pair of sockets and a factory."""
        self.ours, self.shared = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.shared.setblocking(False)
        self.ours.settimeout(5)
        self.protocol = _HalfCloseable()
        self.factory = Factory.forProtocol(lambda: self.protocol)

    def test_owned(self) -> None:
        """The reactor serves it with a duplicated descriptor; the endpoint closes its own."""
        reactor = _Sockets()
        endpoint = BoundUNIXServerEndpoint(reactor, lambda: (-1,))
        self.ours.send(b"hello")
        self.assertIsNone(self.successResultOf(endpoint.adopt(self.factory, self.shared)))
        self.assertEqual(reactor.adopted, [(b"hello", self.factory)])
        self.assertEqual((self.shared.fileno(), self.ours.recv(9)), (-1, b""))

    def test_adopted(self) -> None:
        """The loop serves it in both directions until it is closed."""
        loop = asyncio.new_event_loop()
        self.addCleanup(loop.close)
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        endpoint = AdoptedServerEndpoint(loop, listening, WorkerSlot())

        async def converse() -> None:
            await endpoint.adopt(self.factory, self.shared).asFuture(loop)
            transport: Any = self.protocol.transport
            self.assertEqual(transport.getHandle().fileno(), self.shared.fileno())
            transport.write(b"welcome")
            self.ours.send(b"hello")
            self.ours.shutdown(socket.SHUT_WR)
            while len(self.protocol.received) < 2:
                await asyncio.sleep(0)
            transport.loseConnection()
            while len(self.protocol.received) < 3:
                await asyncio.sleep(0)

        loop.run_until_complete(asyncio.wait_for(converse(), 5))
        self.assertEqual(self.protocol.received, [b"hello", "half", ConnectionDone])
        self.assertEqual((self.ours.recv(9), self.ours.recv(9)), (b"welcome", b""))
