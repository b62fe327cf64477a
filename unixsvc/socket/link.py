"""One connection of a Twisted client."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Protocol

from msgspec import Raw
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol as TwistedProtocol
from twisted.python.failure import Failure

from unixsvc.domain.message import Created
from unixsvc.errors import DeadlineExceeded, ServiceError
from unixsvc.socket.asking import FOR_EVER, is_stream
from unixsvc.socket.attempts import Lost, reason_of
from unixsvc.socket.conversation import WINDOW, Answered, Call, Conversation, Event, Failed, GoAway, Item
from unixsvc.socket.inbox import Inbox
from unixsvc.socket.place import Shown
from unixsvc.socket.reading import Stream

__all__ = ["Clock", "TwistedLink"]


class Clock(Protocol):
    """Tells the time, and calls something later."""

    def seconds(self) -> float:
        """The time, in seconds."""

    def callLater(self, delay: float, call: Callable[..., object], /, *arguments: Any) -> Any:
        """Call something after so many seconds; what is given has a method ``cancel``."""


class _Waiting:
    """One call that is not answered yet.

    :ivar ends: when it has to be over, if it turns out to be a stream; 0 if that is not asked.
    """

    __slots__ = ("done", "ends", "stream", "timer")

    def __init__(self, done: Deferred[Any], timer: Any, stream: Inbox | None, ends: float) -> None:
        self.done = done
        self.timer = timer
        self.stream = stream
        self.ends = ends


class TwistedLink(TwistedProtocol):
    """One connection to a service, and who waits for what on it.

    It may be asked before it has its transport.

    :param clock: tells the time, and calls something later; of IReactorTime that is all that is needed.
    :param gone: called when the connection is lost.
    """

    transport: Any = None

    def __init__(self, shown: Shown, clock: Clock, gone: Callable[[TwistedLink], None]) -> None:
        self.conversation = Conversation(shown)
        self._clock = clock
        self._gone = gone
        self._early: list[bytes] = []
        self._closed = False
        self._waiting: dict[int, _Waiting] = {}
        self._refusal: ServiceError | None = None

    def ask(
        self, call: Call, seconds: float, stream: Inbox | None = None, longer: float | None = None
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
        done: Deferred[Any] = Deferred(lambda _: self._give_up(number))
        timer = self._clock.callLater(min(seconds, FOR_EVER), self._too_late, number)
        ends = 0.0 if longer is None else self._clock.seconds() + seconds + longer
        self._waiting[number] = _Waiting(done, timer, stream, ends)
        if stream is not None:
            stream.began(lambda items: self._send(self.conversation.grant(number, items)))
        self._send(message)
        return done

    def close(self) -> None:
        """End it."""
        self._closed = True
        if self.transport is not None:
            self.transport.loseConnection()

    def connectionMade(self) -> None:
        """It has its transport."""
        early, self._early = self._early, []
        if early:
            self.transport.write(b"".join(early))
        if self._closed:
            self.transport.loseConnection()

    def _send(self, data: bytes) -> None:
        if self.transport is None:
            self._early.append(data)
        else:
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
        for event in events:
            _REACTIONS[type(event)](self, event)
        if self.conversation.leaving and not self.conversation:
            self.close()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """It is over; who still waits is told."""
        self._gone(self)
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            self._end(each, self._refusal or Lost())

    def _is_answered(self, event: Answered) -> None:
        waiting = self._waiting.pop(event.id, None)
        if waiting is not None:  # else it was given up
            waiting.timer.cancel()
            made = event.location is not None and waiting.ends
            waiting.done.callback(Created(event.data, event.location or "") if made else event.data)

    def _has_failed(self, event: Failed) -> None:
        waiting = self._waiting.pop(event.id, None)
        if waiting is not None:
            self._end(waiting, event.error)

    def _has_item(self, event: Item) -> None:
        waiting = self._waiting.get(event.id)
        if waiting is None:
            return  # it was given up
        if waiting.stream is not None:
            waiting.stream.put(event.data)
            return
        if waiting.ends:
            self._open(event, waiting)
            return
        del self._waiting[event.id]
        self._send(self.conversation.cancel(event.id))
        self._end(waiting, is_stream())

    def _open(self, event: Item, waiting: _Waiting) -> None:
        """What was asked turns out to be a stream: who waited gets that, and its end is waited for."""
        waiting.timer.cancel()
        left = min(max(waiting.ends - self._clock.seconds(), 0.0), FOR_EVER)
        waiting.timer = self._clock.callLater(left, self._too_late, event.id)
        inbox = waiting.stream = Inbox()
        inbox.began(lambda items: self._send(self.conversation.grant(event.id, items)))
        inbox.put(event.data)
        begun, waiting.done = waiting.done, Deferred(lambda _: self._give_up(event.id))
        begun.callback(Stream(Raw, inbox, waiting.done.addErrback(_plainly)))

    def _is_to_go(self, event: GoAway) -> None:
        """Nothing new is asked here, as the conversation knows by now."""

    def _too_late(self, id: int) -> None:
        waiting = self._waiting.pop(id)
        self._send(self.conversation.cancel(id))
        waiting.done.errback(Failure(DeadlineExceeded()))

    def _give_up(self, id: int) -> None:
        waiting = self._waiting.pop(id, None)
        if waiting is not None:
            waiting.timer.cancel()
            self._send(self.conversation.cancel(id))

    def _end(self, waiting: _Waiting, error: Exception) -> None:
        waiting.timer.cancel()
        waiting.done.errback(Failure(error))


def _plainly(failure: Failure) -> Failure:
    """Why a stream has ended, as its reader is told."""
    return Failure(reason_of(failure.value)) if isinstance(failure.value, Lost) else failure


_REACTIONS: Final[dict[type[Event], Callable[[TwistedLink, Any], None]]] = {
    Answered: TwistedLink._is_answered,
    Failed: TwistedLink._has_failed,
    Item: TwistedLink._has_item,
    GoAway: TwistedLink._is_to_go,
}
