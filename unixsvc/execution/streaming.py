"""Drives streams: item by item, at the speed of the reader, with turns for other requests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply
from unixsvc.domain.request_context import slot_in
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import DeadlineExceeded, ServiceError
from unixsvc.execution.action_driver import ActionDriver

if TYPE_CHECKING:
    from unixsvc.execution.in_flight.facts import CallFacts

__all__ = ["RunningStream", "SendItems"]

# A generator that never waits yields this many items before other requests have their turn.
_ITEMS_PER_TURN: Final = 64
# The size of a batch of items as sent, in bytes: the default high-water mark of asyncio's transports.
_BATCH_SIZE: Final = 65_536

# Sends a batch of items, each as JSON. The final reply comes with the last batch.
SendItems = Callable[[list[bytes], Reply | None], None]


class RunningStream(ActionDriver[bytes | Reply]):
    """A stream whose items are being sent. It sends the final reply exactly once.

    The time limit for an item runs while the generator works on it. While the reader grants no credit, only
    the caller's own time limit runs.

    :param credit: the number of items that the reader accepts; None for no limit.
    :param is_full: returns true while the transport does not accept data.
    :param send: called with items and with the final reply.
    :param overhead: the number of bytes that are sent with each item, in addition to the item.
    """

    def __init__(
        self,
        stream: ReplyStream,
        reactor: IReactorTime,
        credit: int | None,
        is_full: Callable[[], bool],
        send: SendItems,
        *,
        overhead: int,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._context = stream.context
        self._reactor = reactor
        self._credit = credit
        self._is_full = is_full
        self._send = send
        self._overhead = overhead
        self._batch: list[bytes] = []
        self._size = 0
        self._ended = False
        self._cancel_reason: ServiceError | None = None
        self._working = False  # the generator is computing an item
        self._turn: IDelayedCall | None = None
        self._item_timer: IDelayedCall | None = None
        self._timer: IDelayedCall | None = None

    @property
    def blocked(self) -> bool:
        """True if the stream waits for its reader."""
        return not (self._working or self._ended or self._accepts_items())

    def start(self) -> None:
        """Send the first items."""
        if self._stream.seconds is not None:
            seconds = max(self._stream.seconds, 0.0)
            self._timer = self._reactor.callLater(seconds, self.cancel, DeadlineExceeded())
        self._send_items()

    def grant(self, items: int) -> None:
        """Add credit for more items."""
        if self._credit is not None:
            self._credit += items
        self.resume()

    def resume(self) -> None:
        """Continue soon, as the transport may accept data again."""
        if not (self._working or self._ended or self._turn):
            self._turn = self._reactor.callLater(0, self._send_items)

    def facts(self) -> CallFacts:
        """What is known of the request, for an operator."""
        # Late: few processes are ever asked.
        from unixsvc.execution.in_flight.facts import CallFacts, earliest

        slot = slot_in(self._context)
        return CallFacts(
            "stream",
            None if slot is None else slot.request,
            None if slot is None else slot.started,
            deadline=earliest(self._timer, self._item_timer),
            steps=self._stream.items,
            for_reader=self.blocked,
        )

    def cancel(self, reason: ServiceError) -> None:
        """Cancel the stream: ``reason`` is raised in the generator where it waits; otherwise it is closed.

        The reason becomes the final reply, unless the generator ends differently at once. If the generator
        continues, it is closed at its next item.
        """
        if self._ended:
            return
        self._cancel_reason = reason
        if self._awaited is not None:
            self._interrupt(reason)
        elif not self._working:
            self._step(self._stream.close(reason))
        if not self._ended:
            self._end(error_to_reply(reason))

    def _send_items(self) -> None:
        """Send items as long as the reader accepts them, and at most those of one turn."""
        self._turn = None
        for _ in range(_ITEMS_PER_TURN):
            if self._size >= _BATCH_SIZE:
                self._flush()
            if self._working or self._ended or not self._accepts_items():
                break
            self._step(self._stream.next())
        else:
            self.resume()
        self._flush()

    def _accepts_items(self) -> bool:
        return self._credit != 0 and not self._is_full()

    def _step(self, coroutine: Coroutine[object, Any, bytes | Reply]) -> None:
        self._working = True
        try:
            awaited = self._context.run(coroutine.send, None)
        except StopIteration as stop:
            self._take(stop.value)
            return
        self._coroutine = coroutine
        if not self._ended:
            seconds = self._stream.item_seconds
            self._item_timer = self._reactor.callLater(seconds, self.cancel, DeadlineExceeded())
        self._wait_for(awaited)

    def _on_return(self, value: bytes | Reply) -> None:
        if self._item_timer is not None and self._item_timer.active():
            self._item_timer.cancel()
        self._take(value)
        self._send_items()

    def _take(self, value: bytes | Reply) -> None:
        self._working = False
        if isinstance(value, Reply):
            self._end(value)
        elif self._cancel_reason is not None:
            self._step(self._stream.close(self._cancel_reason))
        else:
            self._batch.append(value)
            self._size += len(value) + self._overhead
            if self._credit is not None:
                self._credit -= 1

    def _flush(self) -> None:
        if self._batch and not self._ended:
            batch, self._batch, self._size = self._batch, [], 0
            self._send(batch, None)

    def _end(self, reply: Reply) -> None:
        if self._ended:
            return
        self._ended = True
        for timer in (self._turn, self._item_timer, self._timer):
            if timer is not None and timer.active():
                timer.cancel()
        batch, self._batch = self._batch, []
        self._send(batch, reply)
