"""Many calls at a time on one connection, without I/O: pending calls, deadlines, and coalesced writes.

The bindings for Twisted and asyncio add a transport and a clock, and turn a pending call into a Deferred or
a Future.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from unixsvc.client.calls import unexpected_stream
from unixsvc.client.connection import WINDOW, Call, ClientConnection
from unixsvc.client.deadline_timer import CallLater, DeadlineTimer
from unixsvc.client.discovery.location import Credentials
from unixsvc.client.errors import UNKNOWN_HOST, AttemptFailed, ConnectAttemptFailed, ConnectionLost
from unixsvc.client.events import ErrorReceived, Event, ItemReceived, ResponseReceived
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.errors import DeadlineExceeded, ServiceError
from unixsvc.wire.messages import encode_cancel, encode_client_item, encode_credit

__all__ = ["Multiplexer", "PendingCall", "Transport"]

_BATCH: Final = 16_384  # bytes; more are not held back


class PendingCall(Protocol):
    """A call without a reply so far.

    :ivar deadline: on the clock of the multiplexer, in seconds.
    :ivar buffer: receives the items of a stream; None if there must be none, or it is not known.
    """

    deadline: float
    buffer: StreamBuffer | None

    def succeed(self, response: ResponseReceived) -> None:
        """The service replied with a result; for a stream, its end."""

    def fail(self, error: AttemptFailed) -> None:
        """The service replied with an error, the deadline has passed, or the connection was lost."""

    def start_stream(self, id: int, buffer: StreamBuffer) -> bool:
        """The reply turns out to be a stream. Set :attr:`buffer` and its deadline.

        :returns: False if it must not be one; the call is cancelled then.
        """


class Transport(Protocol):
    """What a multiplexer needs of its binding besides a function that writes."""

    def close(self) -> None:
        """Close the connection after everything is written; if it is not established yet, close it then."""

    def abort(self) -> None:
        """Close the connection now."""

    def after_callbacks(self, flush: Callable[[], None]) -> None:
        """Call a function after the callers of all calls that have just ended have run."""


class Multiplexer:
    """The pending calls of one connection to a service.

    Calls may be made before the connection is established; they are sent when it is. Calls that are made
    because several replies arrived in one read are sent in one write. Any other call is sent at once.

    :param clock: a monotonic clock, in seconds.
    :param call_later: calls a function after a number of seconds, and returns an object with ``cancel()``.
    :param disconnected: called when the connection is lost.
    :ivar clock: the same clock.
    :ivar connection: the state of the protocol.
    :ivar host: that of the service; empty for this one.
    """

    def __init__(
        self,
        credentials: Credentials,
        clock: Callable[[], float],
        call_later: CallLater,
        transport: Transport,
        disconnected: Callable[[Multiplexer], object],
    ) -> None:
        self.connection = ClientConnection(credentials)
        self.clock = clock
        self._transport = transport
        self._disconnected = disconnected
        self._timer = DeadlineTimer(clock, call_later, self._expire)
        self._write: Callable[[bytes], object] | None = None  # None until the connection is established
        self._unsent: list[bytes] | None = []  # None while messages are sent at once
        self._unsent_bytes = 0
        self._pending: dict[int, PendingCall] = {}
        self._refusal: ServiceError | ConnectAttemptFailed | None = None
        self.host = UNKNOWN_HOST if credentials.relayed else ""

    def start(self, call: Call, timeout: float, pending: PendingCall) -> int:
        """Send a unary call.

        :param timeout: for the service, in seconds.
        :returns: the id of the call, to cancel it.
        """
        number, message = self.connection.request(call, timeout)
        self._pending[number] = pending
        if pending.deadline < self._timer.at:
            self._timer.set(pending.deadline)
        if self._unsent is None:
            self._write(message)  # type: ignore[misc]  # it is set when _unsent is None
        else:
            self._send(message)
        return number

    def start_stream(
        self, call: Call, timeout: float | None, pending: PendingCall, *, either: bool = False
    ) -> int:
        """Send a call whose reply is a stream.

        :param timeout: for the service, in seconds; None for no limit.
        :param either: True if the reply may be a unary one instead.
        :returns: the id of the call, to cancel it.
        """
        number, message = self.connection.request(call, timeout, WINDOW, either=either)
        self._pending[number] = pending
        if pending.deadline < self._timer.at:
            self._timer.set(pending.deadline)
        if pending.buffer is not None:
            pending.buffer.opened(partial(self._grant, number))
        self._send(message)
        return number

    def send_item(self, id: int, item: bytes) -> None:
        """Send an item of a WebSocket; no effect if it is not pending any more.

        :param item: as JSON.
        """
        if id in self._pending:
            self._send(encode_client_item(id, item))

    def cancel(self, id: int) -> None:
        """Cancel a call; no effect if it is not pending any more."""
        if self._pending.pop(id, None) is not None:
            self._send(encode_cancel(id))
            if not self._pending:
                self._timer.stop()

    def close(self) -> None:
        """Close the connection. Pending calls fail when it is closed."""
        self.connection.leaving = True
        self._flush()
        self._transport.close()

    def leave(self) -> None:
        """Make no more calls on this connection, and close it when none is pending."""
        self.connection.leaving = True
        if not self.connection.pending:
            self.close()

    def not_connected(self, problem: ConnectAttemptFailed) -> None:
        """The connection cannot be established: calls that were made already have not been sent."""
        self._refusal = problem
        self.connection_lost()

    def connected(self, write: Callable[[bytes], object]) -> None:
        """The connection is established.

        :param write: sends bytes; called with one or more whole messages.
        """
        self._write = write
        self._send_at_once()

    def data_received(self, data: bytes) -> None:
        """Process bytes from the service."""
        try:
            events = self.connection.receive(data)
        except ServiceError as error:
            self._refusal = error
            self.connection.leaving = True  # no new calls in the meantime
            self._transport.abort()
            return
        # It may hold back messages already: a transport in memory delivers a reply during a write.
        batch = len(events) > 1 and self._unsent is None
        if batch:
            self._unsent = []
        for event in events:
            if type(event) is ResponseReceived:
                pending = self._pending.pop(event.id, None)
                if pending is not None:  # else it was cancelled
                    pending.succeed(event)
            else:
                self._process(event)
        if batch:
            self._transport.after_callbacks(self._send_at_once)
        if not self._pending:
            self._timer.stop()
        if self.connection.leaving and not self.connection.pending:
            self.close()

    def connection_lost(self) -> None:
        """The connection is closed: every pending call fails."""
        self.connection.leaving = True
        self._disconnected(self)
        self._timer.stop()
        calls, self._pending = self._pending, {}
        for pending in calls.values():
            pending.fail(self._refusal or ConnectionLost(self.host))

    def _process(self, event: Event) -> None:
        if isinstance(event, ItemReceived):
            self._item_received(event)
        elif isinstance(event, ErrorReceived):
            pending = self._pending.pop(event.id, None)
            if pending is not None:
                pending.fail(event.error)

    def _item_received(self, event: ItemReceived) -> None:
        pending = self._pending.get(event.id)
        if pending is None:
            return  # it was cancelled
        if pending.buffer is not None:
            if event.head is not None:
                pending.buffer.head = event.head
            pending.buffer.put(event.data)
            return
        buffer = StreamBuffer()
        buffer.head = event.head
        buffer.opened(partial(self._grant, event.id))
        buffer.put(event.data)
        if not pending.start_stream(event.id, buffer):
            self.cancel(event.id)
            pending.fail(unexpected_stream())
        elif pending.deadline < self._timer.at:
            self._timer.set(pending.deadline)

    def _grant(self, id: int, items: int) -> None:
        self._send(encode_credit(id, items))

    def _send(self, message: bytes) -> None:
        if self._unsent is None:
            self._write(message)  # type: ignore[misc]
            return
        self._unsent.append(message)
        self._unsent_bytes += len(message)
        if self._unsent_bytes > _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._unsent and self._write is not None:
            messages = b"".join(self._unsent)
            self._unsent.clear()
            self._unsent_bytes = 0
            self._write(messages)

    def _send_at_once(self) -> None:
        """Send what was held back, and from now on each message at once."""
        self._flush()
        self._unsent = None

    def _expire(self, now: float) -> float:
        """Fail the calls whose deadline has passed; the next deadline."""
        expired = [number for number, pending in self._pending.items() if pending.deadline <= now]
        for number in expired:
            expired_call = self._pending.pop(number, None)
            if expired_call is not None:  # else the end of another call has cancelled it
                self._send(encode_cancel(number))
                expired_call.fail(DeadlineExceeded())
        return min((pending.deadline for pending in self._pending.values()), default=math.inf)
