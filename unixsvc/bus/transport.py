"""A circuit as a transport of Twisted: the protocols of both ends run on it as on a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, cast

from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IAddress, IConsumer, IProducer, IProtocol, IPushProducer, ITransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.bus.circuit import Circuit
from unixsvc.transport.interfaces import IWriteBuffer

__all__ = ["CircuitTransport"]


@implementer(ITransport, IConsumer, IWriteBuffer)
class CircuitTransport:
    """Joins a protocol to a circuit.

    What is written in one turn of the event loop goes out in as few messages as possible.

    :param send: sends a message to the other side.
    :param call_soon: calls a function in the next turn of the event loop.
    :param lost: called when the circuit has ended, before the protocol learns it.
    :param interval: as in :class:`~unixsvc.bus.circuit.Circuit`.
    :ivar circuit: the state of the circuit.
    :ivar on_leave: called when the circuit should end soon: no new request is to be made on it.
    :ivar peer_host: the host of the other side.
    """

    connection: ClassVar[None] = None
    secure: ClassVar[bool] = False

    def __init__(
        self,
        send: Callable[[bytes], None],
        call_soon: Callable[[Callable[[], None]], object],
        lost: Callable[[CircuitTransport], object],
        interval: float,
        peer_host: str = "",
    ) -> None:
        self.send = send
        self.circuit = Circuit(self, interval)
        self.peer_host = peer_host
        self._call_soon = call_soon
        self._lost = lost
        self._protocol: IProtocol | None = None
        self._producer: IPushProducer | None = None
        self._scheduled = False
        self.disconnecting = False
        self.on_leave: Callable[[], object] = bool

    def connect(self, protocol: Any) -> None:
        """Begin: the circuit is open.

        :param protocol: provides ``IProtocol``.
        """
        self._protocol = protocol
        protocol.makeConnection(self)

    # What the circuit calls.

    def received(self, data: bytes) -> None:
        """The other side has sent bytes."""
        if self._protocol is not None:
            self._protocol.dataReceived(data)

    def blocked(self) -> None:
        """The other side does not take what is written."""
        if self._producer is not None:
            self._producer.pauseProducing()

    def unblocked(self) -> None:
        """It has taken all."""
        if self._producer is not None:
            self._producer.resumeProducing()

    def ended(self, problem: str) -> None:
        """The circuit has ended."""
        self.disconnecting = True
        self._lost(self)
        protocol, self._protocol, self._producer = self._protocol, None, None
        if protocol is not None:
            protocol.connectionLost(Failure(ConnectionLost(problem)) if problem else connectionDone)

    # What the protocol calls.

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self.circuit.write(data)
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._flush)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several pieces."""
        self.write(b"".join(data))

    def write_buffer_size(self) -> int:
        """The number of bytes that wait for the other side."""
        return self.circuit.unsent

    def loseConnection(self) -> None:
        """Close when all is written."""
        if not self.disconnecting:
            self.disconnecting = True
            self._call_soon(self.circuit.close)  # the protocol may not expect connectionLost() within a call

    def loseWriteConnection(self) -> None:
        """Close when all is written: a circuit is not open in one direction only."""
        self.loseConnection()

    def abortConnection(self) -> None:
        """Close now."""
        self.disconnecting = True
        self._call_soon(self._abort)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Pause a streaming producer while the other side does not take what is written."""
        self._producer = cast(IPushProducer, producer)

    def unregisterProducer(self) -> None:
        """Forget the producer."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Stop to receive."""
        self.circuit.pause()

    def resumeProducing(self) -> None:
        """Receive again. What has arrived is delivered in the next turn, as by a socket."""
        self._call_soon(self.circuit.resume)

    def stopProducing(self) -> None:
        """Close when all is written."""
        self.loseConnection()

    def getPeer(self) -> IAddress:
        """The address of the other side has no name."""
        return UNIXAddress(None)

    def getHost(self) -> IAddress:
        """Nor has that of this side."""
        return UNIXAddress(None)

    def _flush(self) -> None:
        self._scheduled = False
        self.circuit.flush()

    def _abort(self) -> None:
        self.circuit.abort("the connection was closed")
