"""Accepts clients by hand, from a listening socket that several workers share."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IListeningPort
from twisted.logger import Logger
from zope.interface import implementer

from unixsvc.listen.balancing import AcceptBalancer, keeps_even
from unixsvc.listen.connection_counts import WorkerSlot
from unixsvc.listen.tls import TlsContext
from unixsvc.transport.loop_transport import LoopTransport, Opening, address_of
from unixsvc.transport.private_apis import accept_function

__all__ = ["Acceptor"]

_log = Logger()

# So many clients are accepted before those that are here have their turn.
_TURN: Final = 8
# To find that nobody else waits costs half as much as to accept: after that, in so many turns only one is.
_SINGLY: Final = 16
# And so many are accepted at the end.
_LAST: Final = 1024
# How long others are let go first, and how long is waited where no descriptor is left; in seconds.
_MOMENT: Final = 0.01
_EXHAUSTED: Final = 0.1
# Of which is complained once in so many seconds.
_COMPLAIN: Final = 10.0

Build = Callable[..., asyncio.BaseProtocol | None]


@implementer(IListeningPort)
class Acceptor:
    """Accepts by hand, as the loop's own server could not leave a client to the siblings.

    :param loop: makes the transports.
    :param listening: shared with the siblings; closed at the end, which does not close theirs.
    :param build: makes the protocol of a connection, or None for one that is not wanted; it is given what
        the protocol has to call when the connection is gone.
    :param place: where the connections are counted.
    :param tls: encrypts them, if they are to be.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        listening: socket.socket,
        build: Build,
        place: WorkerSlot,
        tls: TlsContext | None = None,
    ) -> None:
        self._loop = loop
        self._address = listening.getsockname()
        self._build = build
        self._place = place
        self._tls = tls
        self._options: dict[str, Any] = {}
        if tls is not None:
            self._options = {"ssl": tls.context, "ssl_handshake_timeout": tls.seconds}
        self._singly = 0
        self._complained = -_COMPLAIN
        self._courtesy = AcceptBalancer()
        self._pause: asyncio.TimerHandle | None = None
        self._standing_back = False
        self._neediest = place.neediest()
        # Bound once, as each connection takes this way.
        self._accept: Callable[[], tuple[int, object]]
        self._hold(listening)
        self._kind = listening.family, listening.type, listening.proto
        self._make: type[socket.socket] = _Local if listening.family == socket.AF_UNIX else socket.socket

    def startListening(self) -> None:
        """Begin to accept."""
        self._place.join()
        self.resume(self._listening)

    def stopListening(self) -> None:
        """Accept nothing more. A path stays: it belongs to the orchestrator."""
        self._place.leave()
        self.pause().close()

    def getHost(self) -> IAddress:
        """Where it listens."""
        return address_of(self._address)

    def resume(self, listening: socket.socket) -> None:
        """Accept again, from this socket."""
        self._hold(listening)
        self._loop.add_reader(listening.fileno(), self._ready)

    def pause(self) -> socket.socket:
        """Accept nobody for now, and give the socket to whoever accepts instead."""
        self._standing_back = False
        self._stop_waiting()
        self._loop.remove_reader(self._listening.fileno())
        return self._listening

    def take_waiting(self) -> None:
        """Accept those who wait at this moment, as nobody else will."""
        for _ in range(_LAST):
            try:
                descriptor, _ = self._accept()
            except OSError:
                return
            self._open(self._make(*self._kind, descriptor))

    def gone(self) -> None:
        """A connection is gone, whoever has accepted it."""
        place = self._place
        place.went()
        if self._standing_back and keeps_even(place.mine, place.least()):
            # At once: by now another may be standing back for us.
            self._stop_waiting()
            self._go_on()

    def _hold(self, listening: socket.socket) -> None:
        self._listening = listening
        self._accept = accept_function(listening)

    def _ready(self) -> None:
        """Somebody waits to be accepted."""
        place, stands_back = self._place, self._courtesy.stands_back
        most = _TURN
        if self._singly:
            self._singly -= 1
            most = 1
        for _ in range(most):
            if stands_back(place.mine, place.least()):
                self._stand_back()
                return
            try:
                descriptor, _ = self._accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                self._singly = _SINGLY
                return
            except OSError as error:
                self._complain(error)
                self._wait(_EXHAUSTED, self._go_on)
                return
            self._open(self._make(*self._kind, descriptor))

    def _complain(self, error: OSError) -> None:
        now = self._loop.time()
        if now - self._complained >= _COMPLAIN:
            self._complained = now
            _log.error("no client can be accepted: {error}", error=error.strerror)

    def _open(self, connection: socket.socket) -> None:
        if self._tls is not None and self._place.mine >= self._tls.most:
            connection.close()
            return
        connection.setblocking(False)
        if self._kind[0] != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # an answer is written at once
        gone = self.gone if self._tls is None else _Once(self.gone)
        protocol = self._build(gone)
        if protocol is None:
            connection.close()
            return
        if isinstance(protocol, LoopTransport):
            protocol.connection = connection
        self._place.came()
        Opening(self._loop.connect_accepted_socket(lambda: protocol, connection, **self._options), gone)

    def _stand_back(self) -> None:
        self._standing_back = True
        self._neediest = self._place.neediest()
        self._wait(_MOMENT, self._look_again)

    def _wait(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._listening.fileno())
        self._pause = self._loop.call_later(seconds, then)

    def _stop_waiting(self) -> None:
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.cancel()

    def _look_again(self) -> None:
        in_vain = self._place.neediest() == self._neediest and _is_readable(self._listening)
        self._courtesy.stood_back(in_vain=in_vain)
        self._go_on()

    def _go_on(self) -> None:
        self._pause = None
        self._standing_back = False
        self._loop.add_reader(self._listening.fileno(), self._ready)


class _Local(socket.socket):
    """Of the one kind there is: the loop asks, and to make members of an Enum for it costs a microsecond."""

    __slots__ = ()
    family = socket.AF_UNIX
    type = socket.SOCK_STREAM


class _Once:
    """A connection that cannot be opened may be told to be lost as well."""

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
