"""The circuits on one connection to a NATS server."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from functools import partial
from typing import Final

import msgspec
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from unixsvc.bus.clock import LinkClock
from unixsvc.bus.connection import BusConnection, BusMessage, NotConnected
from unixsvc.bus.frames import (
    Acceptance,
    Kind,
    OpenRequest,
    decode_acceptance,
    decode_frame,
    decode_request,
    encode_frame,
)
from unixsvc.bus.micro import Subscription
from unixsvc.bus.subjects import Subjects
from unixsvc.bus.transport import CircuitTransport

__all__ = ["Accept", "Link", "NotOpened"]

OPEN_TIMEOUT: Final = 0.25
"""How long an answer to a request to open a circuit may take, in seconds."""
_NO_SUBSCRIBER: Final = 503
_log = Logger(namespace="nats")
_FENCE: Final = "0"
_CHECKS: Final = 4  # in each interval of the keepalive

Accept = Callable[[CircuitTransport], bool]
"""Serves a circuit that was opened to this process: connects a protocol to it, or returns false."""


class NotOpened(Exception):
    """No circuit was opened: the other side has seen nothing.

    :ivar absent: whether no host has the service.
    """

    def __init__(self, problem: str, *, absent: bool = False) -> None:
        super().__init__(problem)
        self.absent = absent


class _Opening(msgspec.Struct, gc=False):
    """A circuit that the other side has not answered for."""

    opened: Deferred[CircuitTransport]
    timeout: IDelayedCall


class Link:
    """Opens circuits over one connection, accepts them, and watches all of them.

    :param process: the name of this process among those of its host, and of this link among those of the
        process.
    :param interval: of the keepalive, in seconds.
    :ivar connection: to the NATS server.
    :ivar leaving: whether no circuit is to be opened or accepted any more.
    """

    def __init__(
        self, connection: BusConnection, subjects: Subjects, process: str, clock: LinkClock, interval: float
    ) -> None:
        self.connection = connection
        self.leaving = False
        self._subjects = subjects
        self._pipes = subjects.pipes(process)
        self._clock = clock
        self._interval = interval
        self._last = 0
        self._opening: dict[str, _Opening] = {}
        self._circuits: dict[str, CircuitTransport] = {}
        self._fences: dict[bytes, Deferred[None]] = {}
        self._busy: dict[CircuitTransport, Callable[[], bool]] = {}
        self._check: IDelayedCall | None = None
        self._checked = 0.0
        self._subscriptions: dict[str, list[int]] = {}
        self._lost = False
        connection.subscribe(f"{self._pipes}.*", self._received)

    def __len__(self) -> int:
        return len(self._circuits)

    @property
    def circuits(self) -> list[CircuitTransport]:
        """All circuits that are open."""
        return list(self._circuits.values())

    @property
    def served(self) -> Set[str]:
        """The services that circuits are accepted for."""
        return self._subscriptions.keys()

    def open(self, service: str, host: str = "") -> Deferred[CircuitTransport]:
        """Open a circuit to a service on any host, or on one.

        :returns: fires with a transport for :meth:`CircuitTransport.connect`; fails with NotOpened.
        :raises NotOpened: if the connection has ended, or there can be no such service.
        """
        subjects = self._subjects
        if not subjects.is_target(service, host):
            raise NotOpened("no host has the service", absent=True)
        subject = subjects.open_on(service, host) if host else subjects.open(service)
        number = self._number()
        pipe = f"{self._pipes}.{number}"
        request = msgspec.json.encode(OpenRequest(pipe, subjects.host))
        try:
            self.connection.publish(subject, request, pipe)
        except NotConnected as error:
            raise NotOpened(str(error)) from None

        def cancel(_: object) -> None:
            self._forget(number)

        opened: Deferred[CircuitTransport] = Deferred(cancel)
        timeout = self._clock.call_later(OPEN_TIMEOUT, self._not_opened, number, "no host has answered")
        self._opening[number] = _Opening(opened, timeout)
        return opened

    def expect(self, transport: CircuitTransport, busy: Callable[[], bool]) -> None:
        """Watch a circuit while something is expected of its other side.

        :param busy: whether that is so.
        """
        self._busy[transport] = busy
        if self._check is None:
            self._checked = self._clock.seconds()
            self._check = self._clock.call_later(self._interval / _CHECKS, self._check_circuits)

    def serve(self, service: str, accept: Accept, others: Sequence[Subscription] = ()) -> None:
        """Accept circuits to a service; they may be opened after the next :meth:`fence`.

        :param others: its other subscriptions.
        :raises NotConnected: if the connection has ended.
        """
        subjects, host = self._subjects, self._subjects.host
        self._subscriptions[service] = [
            self.connection.subscribe(subject, lambda message: self._requested(message, accept), service)
            for subject in (subjects.open(service), subjects.open_on(service, host))
        ] + [
            self.connection.subscribe(each.subject, partial(each.received, self.connection), each.queue)
            for each in others
        ]

    def withdraw(self, service: str) -> None:
        """Accept no more circuits to a service. Until the next fence has passed, some may still come."""
        for number in self._subscriptions.pop(service, ()):
            self.connection.unsubscribe(number)

    def fence(self) -> Deferred[None]:
        """Fires when the server has processed what was sent before; fails with NotConnected."""
        token = self._number().encode()
        passed: Deferred[None] = Deferred()
        try:
            self.connection.publish(f"{self._pipes}.{_FENCE}", token)
        except NotConnected as error:
            return fail(error)
        self._fences[token] = passed
        return passed

    def lost(self, problem: str) -> None:
        """The connection has ended: so have all circuits."""
        if self._lost:
            return
        self._lost = self.leaving = True
        if self._check is not None:
            self._check.cancel()
            self._check = None
        for number in list(self._opening):
            self._not_opened(number, problem)
        for transport in self.circuits:
            transport.circuit.lose(problem)
        fences, self._fences = self._fences, {}
        for passed in fences.values():
            passed.errback(NotConnected(problem))

    def _number(self) -> str:
        self._last += 1
        return str(self._last)

    def _received(self, message: BusMessage) -> None:
        number = message.subject.rpartition(".")[2]
        transport = self._circuits.get(number)
        if transport is not None:
            self._circuit_received(transport, message)
        elif number in self._opening:
            self._answered(number, message)
        elif number == _FENCE:
            passed = self._fences.pop(message.data, None)
            if passed is not None:
                passed.callback(None)
        elif message.reply and message.reply != message.subject:
            self._send(message.reply, encode_frame(Kind.RESET, 0))

    def _circuit_received(self, transport: CircuitTransport, message: BusMessage) -> None:
        if message.status == _NO_SUBSCRIBER:
            transport.circuit.lose("the other side has gone")
            return
        try:
            frame = decode_frame(message.data)
        except ValueError as error:
            transport.circuit.abort(f"an invalid message: {error}")
        else:
            transport.circuit.receive(frame)

    def _answered(self, number: str, message: BusMessage) -> None:
        if message.status == _NO_SUBSCRIBER:
            self._not_opened(number, "no host has the service", absent=True)
            return
        try:
            frame = decode_frame(message.data)
            if frame.kind is not Kind.OPENED:
                self._not_opened(number, "the host has refused")
                return
            acceptance = decode_acceptance(frame.payload)
            if not self._subjects.is_pipe_of(acceptance.pipe, acceptance.host):
                raise ValueError("of another host")
        except ValueError as error:
            self._not_opened(number, f"an invalid answer: {error}")
            return
        opening = self._opening.pop(number)
        opening.timeout.cancel()
        opening.opened.callback(self._make(number, acceptance.pipe, acceptance.host))

    def _requested(self, message: BusMessage, accept: Accept) -> None:
        try:
            request = decode_request(message.data)
        except ValueError:
            return  # a program that is none of ours
        if not self._subjects.is_pipe_of(request.pipe, request.host):
            _log.warn("a request for another host is ignored: {host!r}", host=request.host[:64])
            return
        if self.leaving:
            self._send(request.pipe, encode_frame(Kind.REFUSED, 0))
            return
        number = self._number()
        transport = self._make(number, request.pipe, request.host)
        acceptance = msgspec.json.encode(Acceptance(f"{self._pipes}.{number}", self._subjects.host))
        # With a pipe for answers: a side that waits no more says so, and the server reports one that ended.
        self._send(request.pipe, encode_frame(Kind.OPENED, 0, acceptance), f"{self._pipes}.{number}")
        if not accept(transport):
            transport.circuit.abort("not accepted")

    def _make(self, number: str, peer: str, host: str) -> CircuitTransport:
        pipe = f"{self._pipes}.{number}"

        def send(message: bytes) -> None:
            self._send(peer, message, pipe)

        def ended(transport: CircuitTransport) -> None:
            self._circuits.pop(number, None)
            self._busy.pop(transport, None)

        transport = CircuitTransport(send, self._clock.call_soon, ended, self._interval, host)
        self._circuits[number] = transport
        return transport

    def _send(self, subject: str, message: bytes, reply: str = "") -> None:
        with suppress(NotConnected):  # lost() follows, or has ended all circuits
            self.connection.publish(subject, message, reply)

    def _forget(self, number: str) -> _Opening | None:
        opening = self._opening.pop(number, None)
        if opening is not None and opening.timeout.active():
            opening.timeout.cancel()
        return opening

    def _not_opened(self, number: str, problem: str, *, absent: bool = False) -> None:
        opening = self._forget(number)
        if opening is not None:
            opening.opened.errback(NotOpened(problem, absent=absent))

    def _check_circuits(self) -> None:
        now = self._clock.seconds()
        period = self._interval / _CHECKS
        late = now - self._checked > 2 * period  # this process was blocked: answers may be there unread
        self._checked = now
        for transport, busy in list(self._busy.items()):
            if late:
                transport.circuit.forgive(now)
            transport.circuit.check(now, expecting=busy())
        self._check = self._clock.call_later(period, self._check_circuits) if self._busy else None
