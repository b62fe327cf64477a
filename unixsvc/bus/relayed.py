"""A connection of a local program that continues as a circuit to another host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IProtocol, IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.bus.transport import CircuitTransport
from unixsvc.domain.message import Caller, Peer
from unixsvc.transport.interfaces import ServerTransport
from unixsvc.wire.messages import GOAWAY

__all__ = ["RelayedConnection"]


@implementer(IProtocol)
class RelayedConnection:
    """Copies bytes between a socket and a circuit. It is one of the connections of the service ``nats``.

    :param caller: the local program.
    :param is_local: whether the service runs on this host now: then the program is asked to connect again.
    :param ended: called when both sides have ended.
    """

    def __init__(
        self,
        transport: ServerTransport,
        caller: Caller,
        is_local: Callable[[], bool],
        ended: Callable[[Any], object],
    ) -> None:
        self.transport = transport
        self._caller = caller
        self._is_local = is_local
        self._ended = ended
        self._circuit: CircuitTransport | None = None
        self._unsent: list[bytes] = []
        self._at_line_end = True
        self._leaving = self._said_goaway = False
        self._closed = False

    def open(self, circuit: CircuitTransport, first: bytes) -> None:
        """Continue on a circuit.

        :param first: what the program has sent meanwhile.
        """
        self._circuit = circuit
        circuit.on_leave = self.drain
        circuit.connect(_FarSide(self))
        circuit.registerProducer(_Reading(self.transport), True)
        self.transport.unregisterProducer()  # of the protocol that has read the first line
        self.transport.registerProducer(_Reading(circuit), True)
        for data in (first, *self._unsent):
            if data:
                circuit.write(data)
        self._unsent.clear()

    # What the socket's side calls.

    def dataReceived(self, data: bytes) -> None:
        """The program has sent bytes."""
        if self._circuit is None:
            self._unsent.append(data)
        else:
            self._circuit.write(data)

    def makeConnection(self, transport: Any) -> None:
        """Nothing: the transport is known."""

    def connectionMade(self) -> None:
        """Nothing, as above."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The program has disconnected."""
        self._close()
        if self._circuit is not None:
            self._circuit.loseConnection()

    # What the circuit's side calls.

    def far_received(self, data: bytes) -> None:
        """The service has sent bytes."""
        if self._closed:
            return
        self._at_line_end = data.endswith(b"\n")
        self.transport.write(data)
        if self._leaving and self._at_line_end and not self._said_goaway:
            self._send_goaway()

    def far_lost(self) -> None:
        """The circuit has ended."""
        self._close()
        self.transport.loseConnection()

    # What the registry calls.

    @property
    def received(self) -> int:
        """None: the service that gets them counts them."""
        return 0

    @property
    def peer(self) -> Peer:
        """The local program."""
        return self._caller.peer

    def pending_calls(self) -> tuple[()]:
        """None: another host serves them."""
        return ()

    def check_time(self, now: float, *, wait_for_idle: bool) -> None:
        """Go back to the service of this host as soon as there is one."""
        if not self._leaving and self._is_local():
            self.drain()

    def drain(self) -> None:
        """Ask the program to connect again, between two messages."""
        if not self._leaving:
            self._leaving = True
            if self._at_line_end:
                self._send_goaway()

    def abort(self) -> None:
        """Close both sides."""
        if self._circuit is not None:
            self._circuit.abortConnection()
        self.transport.abortConnection()

    def review_caller(self, review: Callable[[Caller], bool]) -> None:
        """Review the caller; if the client should reconnect, send goaway."""
        if review(self._caller):
            self.drain()

    def _send_goaway(self) -> None:
        self._said_goaway = True
        self.transport.write(GOAWAY)

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            self._ended(self)


@implementer(IProtocol)
class _FarSide:
    """The protocol of the circuit."""

    def __init__(self, relayed: RelayedConnection) -> None:
        self._relayed = relayed

    def makeConnection(self, transport: Any) -> None:
        """Nothing: the connection knows its circuit."""

    def connectionMade(self) -> None:
        """Nothing, as above."""

    def dataReceived(self, data: bytes) -> None:
        """Pass bytes on."""
        self._relayed.far_received(data)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """End the other side too."""
        self._relayed.far_lost()


@implementer(IPushProducer)
class _Reading:
    """Stops one side from sending while the other one does not take it."""

    def __init__(self, transport: ServerTransport) -> None:
        self._transport = transport

    def pauseProducing(self) -> None:
        """Stop to receive."""
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Receive again."""
        self._transport.resumeProducing()

    def stopProducing(self) -> None:
        """The connection's end follows."""
