"""Carries a stream on, item by item, as fast as its reader wants it and others can bear."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import DeadlineExceeded, ServiceError
from unixsvc.execution.action_driver import ActionDriver

__all__ = ["RunningStream", "Sending"]

# A generator that never waits gives so many items before all others have their turn.
_TURN: Final = 64
# Items are sent together, but no more bytes of them than a transport takes before it says that it is full.
_TOGETHER: Final = 65_536

# Sends items, each as JSON; with the last ones comes the reply that ends the stream.
Sending = Callable[[list[bytes], Reply | None], None]


class RunningStream(ActionDriver[bytes | Reply]):
    """A stream that is read. Tells its last reply once, however it comes about.

    The time for an item runs while the generator works on it. While the reader does not want another one,
    only the caller's own time runs.

    :param credit: how many items the reader wants so far; None if it wants all.
    :param full: whether it does not take what was sent.
    :param send: called with items, and with the last reply.
    """

    def __init__(
        self,
        stream: ReplyStream,
        reactor: IReactorTime,
        credit: int | None,
        full: Callable[[], bool],
        send: Sending,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._context = stream.context
        self._reactor = reactor
        self._credit = credit
        self._full = full
        self._send = send
        self._items: list[bytes] = []  # to be sent together
        self._size = 0
        self._over = False
        self._why: ServiceError | None = None
        self._working = False  # the generator is at work, or waits
        self._turn: IDelayedCall | None = None
        self._item_timer: IDelayedCall | None = None
        self._timer: IDelayedCall | None = None

    @property
    def held(self) -> bool:
        """Whether nothing will happen before the reader wants more."""
        return not (self._working or self._over or self._wanted())

    def start(self) -> None:
        """Give the first items."""
        if self._stream.seconds is not None:
            seconds = max(self._stream.seconds, 0.0)
            self._timer = self._reactor.callLater(seconds, self.cancel, DeadlineExceeded())
        self._give()

    def grant(self, items: int) -> None:
        """The reader wants so many more items."""
        if self._credit is not None:
            self._credit += items
        self.go_on()

    def go_on(self) -> None:
        """Something that held it up may be over."""
        if not (self._working or self._over or self._turn):
            self._turn = self._reactor.callLater(0, self._give)

    def cancel(self, reason: ServiceError) -> None:
        """Stop: ``reason`` is raised in the generator where it waits; where it does not wait, it is closed.

        The reason is the last reply too, unless the generator makes something else of it at once.
        A generator that goes on all the same is no longer waited for, and closed at its next item.
        """
        if self._over:
            return
        self._why = reason
        if self._waiting is not None:
            self._stop(reason)
        elif not self._working:
            self._step(self._stream.close(reason))
        if not self._over:
            self._end(error_to_reply(reason))

    def _give(self) -> None:
        """Give items as long as they are wanted, but not so many that others would have to wait."""
        self._turn = None
        for _ in range(_TURN):
            if self._size >= _TOGETHER:
                self._flush()
            if self._working or self._over or not self._wanted():
                break
            self._step(self._stream.next())
        else:
            self.go_on()
        self._flush()

    def _wanted(self) -> bool:
        return self._credit != 0 and not self._full()

    def _step(self, coroutine: Coroutine[Any, Any, bytes | Reply]) -> None:
        self._working = True
        try:
            waiting = self._context.run(coroutine.send, None)
        except StopIteration as stop:
            self._take(stop.value)
            return
        self._coroutine = coroutine
        if not self._over:
            seconds = self._stream.item_seconds
            self._item_timer = self._reactor.callLater(seconds, self.cancel, DeadlineExceeded())
        self._follow(waiting)

    def _returned(self, value: bytes | Reply) -> None:
        """What had to be waited for is there."""
        if self._item_timer is not None and self._item_timer.active():
            self._item_timer.cancel()
        self._take(value)
        self._give()

    def _take(self, value: bytes | Reply) -> None:
        self._working = False
        if isinstance(value, Reply):
            self._end(value)
        elif self._why is not None:
            self._step(self._stream.close(self._why))
        else:
            self._items.append(value)
            self._size += len(value)
            if self._credit is not None:
                self._credit -= 1

    def _flush(self) -> None:
        if self._items and not self._over:
            items, self._items, self._size = self._items, [], 0
            self._send(items, None)

    def _end(self, reply: Reply) -> None:
        if self._over:
            return
        self._over = True
        for each in (self._turn, self._item_timer, self._timer):
            if each is not None and each.active():
                each.cancel()
        items, self._items = self._items, []
        self._send(items, reply)
