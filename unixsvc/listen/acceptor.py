"""Accepts the clients of a listening socket, which several workers may share."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Final

from twisted.internet.interfaces import IAddress, IListeningPort
from zope.interface import implementer

from unixsvc.listen.accepted import AcceptedConnections, UnixSocket
from unixsvc.listen.balance.connection_counts import WorkerSlot
from unixsvc.listen.balance.listening_watch import ListeningWatch
from unixsvc.listen.balance.rules import AcceptBalancer, Turnover, is_balanced
from unixsvc.listen.interfaces import IServesDescriptors
from unixsvc.listen.tls import TlsContext
from unixsvc.telemetry.limited_logger import LimitedLogger
from unixsvc.telemetry.rate_limit import RateLimit
from unixsvc.transport.loop_transport import ConnectionOpener, LoopTransport, address_of
from unixsvc.transport.private_apis import accept_function
from unixsvc.transport.write_batch import WriteBatch

__all__ = ["Acceptor", "BuildTransport"]

# Clients that are accepted before the connected ones have their turn.
_TURN: Final = 8
# A call that finds no waiting client costs half as much as one that accepts. After it, only one client is
# accepted in each of this number of turns.
_SINGLE_TURNS: Final = 16
# The most clients that are accepted when the port is closed.
_LAST: Final = 1024
# How long the worker yields to the others, and pauses when no file descriptor is left; in seconds.
_YIELD: Final = 0.01
_EXHAUSTED_PAUSE: Final = 0.1
_CANNOT_ACCEPT: Final = "no client can be accepted: {error}"

BuildTransport = Callable[[Callable[[], object], bytes], asyncio.BaseProtocol | None]
"""Makes the transport of a connection; None refuses it.

The arguments are a function for when it is lost, and what was received before there was a transport.
"""


@implementer(IListeningPort)
class Acceptor:
    """Accepts by itself, as the event loop's own server cannot leave a client to other workers.

    :param loop: makes the transports.
    :param listening: may be shared with other workers; closing it does not close theirs.
    :param build: makes the transport of each connection.
    :param slot: counts the connections.
    :param tls: None for connections that are not encrypted.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        build: BuildTransport,
        slot: WorkerSlot,
        tls: TlsContext | None = None,
    ) -> None:
        self._loop = loop
        self._address = listening.getsockname()
        self._build = build
        self._slot = slot
        self._tls = tls
        self._connect: Callable[..., Coroutine[object, None, object]] = loop.connect_accepted_socket
        if tls is not None:
            self._connect = partial(_connect_secure, loop, tls)
        self._connections: AcceptedConnections | None = None
        self._serve: Callable[[int], bytes | bool] | None = None
        self._single_turns = 0
        self._log = LimitedLogger(__name__, RateLimit(burst=1), loop.time)
        self._balancer = AcceptBalancer()
        self._turnover = Turnover(loop.time(), slot.closed_ever)
        self._unconditional = 0  # connections of this worker before it must leave clients to others
        self._pause: asyncio.TimerHandle | None = None
        self._yielding = False
        self._least_loaded = slot.least_loaded()
        self._listening = listening
        self._watch = ListeningWatch(loop, listening.fileno(), self._readable)
        self._accept = accept_function(listening)  # bound once, as it is called for each connection
        self._kind = listening.family, listening.type, listening.proto
        self._make_socket: type[socket.socket] = (
            UnixSocket if listening.family == socket.AF_UNIX else socket.socket
        )

    def serve_without_transport(self, factory: IServesDescriptors, batch: WriteBatch) -> None:
        """Offer each connection to this factory first; to be called before :meth:`startListening`.

        :param batch: of the transports that are made later.
        """
        self._connections = AcceptedConnections(self._loop, self.getHost(), self.connection_lost, batch)
        self._serve = factory.serve_descriptors(self._connections)

    def startListening(self) -> None:
        """Begin to accept."""
        self._slot.start_accepting()
        self._watch.start()

    def stopListening(self) -> None:
        """Stop to accept, and close the socket. A path stays: it belongs to the orchestrator."""
        others_accept = self._slot.stop_accepting()
        self._yielding = False
        self._cancel_pause()
        self._watch.close()
        if not others_accept:
            self._accept_waiting()
        self._listening.close()
        if self._connections is not None:
            self._connections.end()

    def getHost(self) -> IAddress:
        """The address of the listening socket."""
        return address_of(self._address)

    def connection_lost(self) -> None:
        """Count a lost connection."""
        slot = self._slot
        slot.closed()
        if self._yielding and is_balanced(slot.connections, slot.fewest()):
            # Without waiting for the end of the pause: by then another worker may yield to this one.
            self._cancel_pause()
            self._resume_accepting()

    def _readable(self) -> None:
        """A client waits to be accepted."""
        slot, should_yield = self._slot, self._balancer.should_yield
        must_accept = self._watch.is_exclusive  # no other worker has been woken
        if (now := self._loop.time()) >= self._turnover.next:
            self._measure_turnover(now)
        turn = _TURN
        if self._single_turns:
            self._single_turns -= 1
            turn = 1
        for number in range(turn):
            if must_accept or slot.connections < self._unconditional:
                must_accept = False
            elif should_yield(slot.connections, slot.fewest()):
                self._yield()
                return
            try:
                descriptor, _ = self._accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                self._single_turns = _SINGLE_TURNS
                if not number:
                    self._turnover.missed()
                return
            except OSError as error:  # no file descriptor is left
                self._log.emit("error", "failures to accept", _CANNOT_ACCEPT, error=error.strerror)
                self._pause_accepting(_EXHAUSTED_PAUSE, self._resume_accepting)
                return
            self._accepted(descriptor)
            if slot.connections >= self._unconditional > 0:
                self._set_unconditional(0)

    def _accept_waiting(self) -> None:
        """Accept all clients that wait at this moment, as no other worker will."""
        for _ in range(_LAST):
            try:
                descriptor, _ = self._accept()
            except OSError:
                return
            self._accepted(descriptor)

    def _accepted(self, descriptor: int) -> None:
        received: bytes | bool = b""
        if self._serve is not None:
            received = self._serve(descriptor)
        if received is False:
            self._slot.passed()
        elif received is True:
            self._slot.opened()
        else:
            self._open(descriptor, received)

    def _open(self, descriptor: int, received: bytes) -> None:
        self._slot.opened()
        connection = self._make_socket(*self._kind, descriptor)
        lost = self.connection_lost if self._tls is None else _Once(self.connection_lost)
        transport = self._make_transport(lost, received)
        if transport is None:
            connection.close()
            lost()
            return
        connection.setblocking(False)
        if self._kind[0] != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # a reply is one write
        start = None
        if isinstance(transport, LoopTransport):
            transport.connection = connection
            start = transport.start if received else None
        ConnectionOpener(self._connect(lambda: transport, connection), lost, start)

    def _make_transport(self, lost: Callable[[], object], received: bytes) -> asyncio.BaseProtocol | None:
        if self._tls is not None and self._slot.connections > self._tls.most:
            return None
        try:
            return self._build(lost, received)
        except Exception as error:
            self._log.failure("no protocol can be made", error)
            return None

    def _measure_turnover(self, now: float) -> None:
        slot = self._slot
        counts = slot.connections, slot.extremes(), slot.fewest()
        connections = self._turnover.measure(now, slot.closed_ever, *counts)
        self._set_unconditional(connections if slot.is_shared() else 0)

    def _set_unconditional(self, connections: int) -> None:
        """Stop, or begin, to leave clients to others."""
        self._unconditional = connections
        if not connections:
            self._watch.wake_all()
        elif self._slot.is_first():
            self._watch.wake_one()
        else:
            self._watch.stand_by()

    def _yield(self) -> None:
        self._yielding = True
        self._least_loaded = self._slot.least_loaded()
        self._pause_accepting(_YIELD, self._end_yield)

    def _end_yield(self) -> None:
        in_vain = self._slot.least_loaded() == self._least_loaded and _is_readable(self._listening)
        self._balancer.yielded(in_vain=in_vain)
        self._resume_accepting()

    def _pause_accepting(self, seconds: float, then: Callable[[], None]) -> None:
        self._watch.stop()
        self._pause = self._loop.call_later(seconds, then)

    def _cancel_pause(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.cancel()

    def _resume_accepting(self) -> None:
        self._pause = None
        self._yielding = False
        self._watch.start()


def _connect_secure(
    loop: asyncio.AbstractEventLoop,
    tls: TlsContext,
    make: Callable[[], asyncio.BaseProtocol],
    connection: socket.socket,
) -> Coroutine[object, None, object]:
    """Make a transport with the certificate that the endpoint has now."""
    return loop.connect_accepted_socket(make, connection, ssl=tls.context, ssl_handshake_timeout=tls.seconds)


class _Once:
    """Calls a function once: a connection whose TLS handshake fails may be reported as lost too."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], object]) -> None:
        self._call: Callable[[], object] | None = call

    def __call__(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


def _is_readable(listening: socket.socket) -> bool:
    poll = select.poll()
    poll.register(listening, select.POLLIN)
    return bool(poll.poll(0))
