"""What joins Twisted's protocols to the loop's transports."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IStreamServerEndpoint,
    ISystemHandle,
    ITransport,
)
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass, verifyObject

from unixsvc.socket.endpoint import AdoptedUNIXServerEndpoint, LoopTransport, OwnedUNIXServerEndpoint


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
        return f"the {name}"

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **named: self.done.append((name, *arguments, *named.values()))


class _Plain(Protocol):
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def dataReceived(self, data: bytes) -> None:
        """Bytes."""
        self.heard.append(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The end."""
        self.heard.append(type(reason.value) if reason else None)


@implementer(IHalfCloseableProtocol)
class _HalfCloseable(_Plain):
    def readConnectionLost(self) -> None:
        """The end of one side."""
        self.heard.append("half")

    def writeConnectionLost(self) -> None:
        """The end of the other."""


class _Producer:
    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        """Wait."""
        self.told.append("pause")

    def resumeProducing(self) -> None:
        """Go on."""
        self.told.append("resume")


class LoopTransportTests(SynchronousTestCase):
    """In both directions."""

    def connect(self, protocol: _Plain) -> LoopTransport:
        """A connection; what the loop did to it so far is forgotten."""
        self.protocol, self.loops = protocol, _FromLoop()
        transport: Any = LoopTransport(protocol, UNIXAddress("/run/x.sock"))
        transport.connection_made(self.loops)
        self.loops.done.clear()
        joined: LoopTransport = transport
        return joined

    def test_interfaces(self) -> None:
        """It is what a Twisted protocol takes for a transport; the endpoints are endpoints."""
        transport = self.connect(_Plain())
        for interface in (ITransport, IConsumer, ISystemHandle):
            verifyObject(interface, transport)
        for kind in (AdoptedUNIXServerEndpoint, OwnedUNIXServerEndpoint):
            verifyClass(IStreamServerEndpoint, kind)

    def test_bytes(self) -> None:
        """Bytes go through."""
        transport = self.connect(_Plain())
        transport.data_received(b"in")
        transport.write(b"out")
        transport.writeSequence([b"a", b"b"])
        self.assertEqual(self.protocol.heard, [b"in"])
        self.assertEqual(self.loops.done, [("write", b"out"), ("writelines", [b"a", b"b"])])

    def test_end(self) -> None:
        """A clean end and a broken one are told apart."""
        for error, kind in ((None, ConnectionDone), (OSError("reset"), ConnectionLost)):
            transport = self.connect(_Plain())
            transport.connection_lost(error)
            self.assertEqual(self.protocol.heard, [kind])

    def test_half_closed(self) -> None:
        """Who can deal with one side closed goes on with the other; who can't is closed."""
        self.assertFalse(self.connect(_Plain()).eof_received())
        self.assertTrue(self.connect(_HalfCloseable()).eof_received())
        self.assertEqual(self.protocol.heard, ["half"])

    def test_producer(self) -> None:
        """A streaming producer is paused while the peer takes nothing; no other kind is known."""
        transport, producer = self.connect(_Plain()), _Producer()
        transport.pause_writing()
        transport.registerProducer(producer, True)
        transport.pause_writing()
        transport.resume_writing()
        transport.unregisterProducer()
        transport.pause_writing()
        self.assertEqual(producer.told, ["pause", "resume"])
        self.assertRaises(ValueError, transport.registerProducer, producer, False)

    def test_orders(self) -> None:
        """What the protocol wants is done; a connection that closes is left alone."""
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

    def test_who(self) -> None:
        """It knows its path and its socket; peers have no name."""
        transport = self.connect(_Plain())
        self.assertEqual(transport.getHost(), UNIXAddress("/run/x.sock"))
        self.assertEqual(transport.getPeer(), UNIXAddress(None))
        self.assertEqual(transport.getHandle(), "the socket")
