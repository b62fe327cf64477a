"""One connection of a Twisted client."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Protocol

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from unixsvc.client.calls import FOR_EVER, unexpected_stream
from unixsvc.client.connection import (
    WINDOW,
    Call,
    ClientConnection,
    ErrorReceived,
    Event,
    GoawayReceived,
    ItemReceived,
    ResponseReceived,
)
from unixsvc.client.deadline_timer import DeadlineTimer
from unixsvc.client.location import Credentials
from unixsvc.client.retry import ConnectionLost, error_for_caller
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.client.twisted.stream import Stream
from unixsvc.domain.message import Created
from unixsvc.errors import DeadlineExceeded, ServiceError

__all__ = ["Clock", "PendingCall", "TwistedClientProtocol"]

_ENOUGH: Final = 16_384  # bytes that are sent without waiting for more


class Clock(Protocol):
    """Tells the time, and calls something later."""

    def seconds(self) -> float:
        """The time, in seconds."""

    def callLater(self, delay: float, call: Callable[..., object], /, *arguments: Any) -> Any:
        """Call something after so many seconds; what is given has a method ``cancel``."""


class PendingCall(Protocol):
    """Who waits for the answer to one call.

    :ivar deadline: when it has to be there, on the link's clock.
    :ivar stream: where items are put; None if there are to be none, or it is not known.
    :ivar ends: when it has to be over, if it turns out to be a stream; 0 if that is not asked.
    """

    deadline: float
    stream: StreamBuffer | None
    ends: float

    def answered(self, event: ResponseReceived) -> None:
        """The call has succeeded."""

    def failed(self, error: ConnectionLost | ServiceError) -> None:
        """It has failed, or the connection has ended before its answer: that is Lost."""


class _Waiting:
    """A Deferred that waits, and what it is to get."""

    __slots__ = ("deadline", "done", "ends", "stream")

    def __init__(
        self, done: Deferred[Any], deadline: float, stream: StreamBuffer | None, ends: float
    ) -> None:
        self.done = done
        self.deadline = deadline
        self.stream = stream
        self.ends = ends

    def answered(self, event: ResponseReceived) -> None:
        made = event.location is not None and self.ends
        self.done.callback(Created(event.data, event.location or "") if made else event.data)

    def failed(self, error: ConnectionLost | ServiceError) -> None:
        self.done.errback(Failure(error))


class TwistedClientProtocol(TwistedProtocol):
    """One connection to a service, and who waits for what on it.

    It may be asked before it has its transport. What is asked while several answers are handed out goes out
    when all of them are, in one ``write``; any other call at once.

    :param clock: tells the time, and calls something later; of IReactorTime that is all that is needed.
    :param gone: called when the connection is lost.
    """

    transport: Any = None

    def __init__(
        self, shown: Credentials, clock: Clock, gone: Callable[[TwistedClientProtocol], None]
    ) -> None:
        self.conversation = ClientConnection(shown)
        self._clock = clock
        self._gone = gone
        self._alarm = DeadlineTimer(clock.seconds, clock.callLater, self._end_late)
        self._unsent: list[bytes] | None = []  # None where what is said is sent at once
        self._size = 0  # of it
        self._closed = False
        self._waiting: dict[int, PendingCall] = {}
        self._refusal: ServiceError | None = None

    def begin(self, call: Call, seconds: float, waiting: PendingCall) -> int:
        """Ask what is no stream.

        :returns: the call's id, by which it can be given up.
        """
        number, message = self.conversation.ask(call, seconds)
        self._waiting[number] = waiting
        if waiting.deadline < self._alarm.at:
            self._alarm.set(waiting.deadline)
        self._send(message)
        return number

    def ask(
        self, call: Call, seconds: float, stream: StreamBuffer | None = None, longer: float | None = None
    ) -> Deferred[Any]:
        """Ask, and wait for the answer; for a stream, for its end.

        :param stream: where its items are put.
        :param longer: how many seconds more a stream may take as a whole, where the answer may be one or not;
            None where it may not.
        :returns: fires with the result; where it may be a stream or not, with the :class:`Stream` as soon as
            there is an item. It fails with Lost if the connection ends before that.
        """
        limit = seconds if longer is None else None if longer == math.inf else seconds + longer
        credit = None if stream is None and longer is None else WINDOW
        number, message = self.conversation.ask(call, limit, credit, either=longer is not None)
        done: Deferred[Any] = Deferred(lambda _: self.give_up(number))
        now = self._clock.seconds()
        ends = 0.0 if longer is None else now + seconds + longer
        waiting = self._waiting[number] = _Waiting(done, now + min(seconds, FOR_EVER), stream, ends)
        if waiting.deadline < self._alarm.at:
            self._alarm.set(waiting.deadline)
        if stream is not None:
            stream.began(lambda items: self._send(self.conversation.grant(number, items)))
        self._send(message)
        return done

    def give_up(self, id: int) -> None:
        """Nobody waits for that call any more."""
        if self._waiting.pop(id, None) is not None:
            self._send(self.conversation.cancel(id))
            self._rest()

    def close(self) -> None:
        """End it."""
        self._closed = True
        if self.transport is not None:
            self._flush()
            self.transport.loseConnection()

    def connectionMade(self) -> None:
        """It has its transport."""
        self._flush()
        self._unsent = None
        if self._closed:
            self.transport.loseConnection()

    def _send(self, data: bytes) -> None:
        if self._unsent is None:
            self.transport.write(data)
            return
        self._unsent.append(data)
        self._size += len(data)
        if self._size > _ENOUGH and self.transport is not None:
            self._flush()

    def _flush(self) -> None:
        """Send what waits for it."""
        if self._unsent:
            data = b"".join(self._unsent)
            self._unsent.clear()
            self._size = 0
            self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        """Something has come."""
        try:
            events = self.conversation.receive(data)
        except ServiceError as error:
            self._refusal = error
            self.conversation.leaving = True  # it is of no use, and gone only in the next turn
            self.transport.abortConnection()
            return
        # It may be gathering already, as a transport in memory answers while it writes.
        gathers = len(events) > 1 and self._unsent is None
        if gathers:
            self._unsent = []
        for event in events:
            _REACTIONS[type(event)](self, event)
        if gathers:
            self._flush()
            self._unsent = None
        self._rest()
        if self.conversation.leaving and not self.conversation:
            self.close()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """It is over; who still waits is told."""
        self._gone(self)
        self._alarm.rest()
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            each.failed(self._refusal or ConnectionLost())

    def _is_answered(self, event: ResponseReceived) -> None:
        waiting = self._waiting.pop(event.id, None)
        if waiting is not None:  # else it was given up
            waiting.answered(event)

    def _has_failed(self, event: ErrorReceived) -> None:
        waiting = self._waiting.pop(event.id, None)
        if waiting is not None:
            waiting.failed(event.error)

    def _has_item(self, event: ItemReceived) -> None:
        waiting = self._waiting.get(event.id)
        if waiting is None:
            return  # it was given up
        if waiting.stream is not None:
            waiting.stream.put(event.data)
        elif isinstance(waiting, _Waiting) and waiting.ends:
            self._open(event, waiting)
        else:
            del self._waiting[event.id]
            self._send(self.conversation.cancel(event.id))
            waiting.failed(unexpected_stream())

    def _open(self, event: ItemReceived, waiting: _Waiting) -> None:
        """What was asked turns out to be a stream: who waited gets that, and its end is waited for."""
        now = self._clock.seconds()
        waiting.deadline = min(max(waiting.ends, now), now + FOR_EVER)
        if waiting.deadline < self._alarm.at:
            self._alarm.set(waiting.deadline)
        stream_buffer = waiting.stream = StreamBuffer()
        stream_buffer.began(lambda items: self._send(self.conversation.grant(event.id, items)))
        stream_buffer.put(event.data)
        suspended, waiting.done = waiting.done, Deferred(lambda _: self.give_up(event.id))
        suspended.callback(Stream(Raw, stream_buffer, waiting.done.addErrback(_plainly)))

    def _is_to_go(self, event: GoawayReceived) -> None:
        """Nothing new is asked here, as the conversation knows by now."""

    def _rest(self) -> None:
        """Where nobody waits, no time is counted: a program's reactor is to be clean then."""
        if not self._waiting:
            self._alarm.rest()

    def _end_late(self, now: float) -> float:
        """End the calls whose time is over; the next deadline."""
        late = [number for number, each in self._waiting.items() if each.deadline <= now]
        for number in late:
            waiting = self._waiting.pop(number, None)
            if waiting is not None:  # else another of them has brought about its end
                self._send(self.conversation.cancel(number))
                waiting.failed(DeadlineExceeded())
        return min((each.deadline for each in self._waiting.values()), default=math.inf)


def _plainly(failure: Failure) -> Failure:
    """Why a stream has ended, as its reader is told."""
    return Failure(error_for_caller(failure.value)) if isinstance(failure.value, ConnectionLost) else failure


_REACTIONS: Final[dict[type[Event], Callable[[TwistedClientProtocol, Any], None]]] = {
    ResponseReceived: TwistedClientProtocol._is_answered,
    ErrorReceived: TwistedClientProtocol._has_failed,
    ItemReceived: TwistedClientProtocol._has_item,
    GoawayReceived: TwistedClientProtocol._is_to_go,
}
