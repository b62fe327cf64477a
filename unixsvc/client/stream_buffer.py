"""Received items of a stream that its reader has not taken yet. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, Self

from msgspec import Raw

from unixsvc.client.calls import result_of
from unixsvc.client.connection import WINDOW
from unixsvc.domain.call_options import ResultT, ResultType
from unixsvc.domain.reply_head import ReplyHead

__all__ = ["BufferedStream", "StreamBuffer"]


class StreamBuffer:
    """The items between a connection and the reader of one stream. Taking them grants credit for more.

    The connection has a reference to the buffer and not to the stream, so that a stream that the program
    drops is collected, and cancelled.

    :ivar head: what the reply says over HTTP besides; known from the first item on.
    :ivar seen: True after the first item.
    :ivar ended: True after the end of the stream.
    :ivar error: why the stream failed; None if it ended normally.
    :ivar wake: called once for the next item or the end; the reader sets it.
    """

    def __init__(self) -> None:
        self._items: deque[Raw] = deque()
        self._taken = 0
        self._grant: Callable[[int], None] | None = None
        self.head: ReplyHead | None = None
        self.seen = False
        self.ended = False
        self.error: BaseException | None = None
        self.wake: Callable[[], object] | None = None

    def __len__(self) -> int:
        return len(self._items)

    def opened(self, grant: Callable[[int], None]) -> None:
        """The stream was requested.

        :param grant: grants credit for a number of further items.
        """
        self._grant = grant

    def put(self, item: Raw) -> None:
        """Add an item."""
        self.seen = True
        self._items.append(item)
        self._wake()

    def end(self, error: BaseException | None = None) -> None:
        """The stream has ended, or failed."""
        self.ended, self.error = True, error
        self._wake()

    def take(self) -> Raw:
        """Remove the first item; the buffer must not be empty."""
        item = self._items.popleft()
        self._taken += 1
        if self._taken >= WINDOW // 2 and not self.ended and self._grant is not None:
            self._grant(self._taken)
            self._taken = 0
        return item

    def clear(self) -> None:
        """Discard the items."""
        self._items.clear()

    def _wake(self) -> None:
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()


class BufferedStream(Generic[ResultT]):
    """The items of a stream, as an asynchronous iterator. The service sends at most a window of items ahead.

    Leaving the loop, closing the stream, or dropping it cancels the generator in the service.

    :param type: what each item is decoded as.
    :param buffer: receives the items.
    """

    def __init__(self, type: ResultType[ResultT], buffer: StreamBuffer) -> None:
        self._type = type
        self._buffer = buffer

    @property
    def head(self) -> ReplyHead | None:
        """What the reply says over HTTP besides: status, header fields, media type.

        None before the first item, and if it says no more than usual.
        """
        return self._buffer.head

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ResultT:
        """The next item.

        :raises ServiceError: if the stream has failed.
        """
        buffer = self._buffer
        while not buffer:
            if buffer.ended:
                if buffer.error is None:
                    raise StopAsyncIteration
                raise buffer.error
            await self._wait()
        item: ResultT = result_of(buffer.take(), self._type)
        return item

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel the stream."""
        self._cancel()

    def _wait(self) -> Awaitable[object]:
        """Wait until the buffer wakes its reader."""
        raise NotImplementedError

    def _cancel(self) -> None:
        """Cancel the call, if it is pending, and discard the items."""
        raise NotImplementedError
