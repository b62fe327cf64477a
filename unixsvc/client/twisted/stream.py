"""Streams of the Twisted client."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from unixsvc.client.events import Received
from unixsvc.client.stream_buffer import BufferedStream, StreamBuffer
from unixsvc.domain.call_options import ResultT, ResultType

__all__ = ["Stream"]


class Stream(BufferedStream[ResultT]):
    """The items of a stream, see ``BufferedStream``.

    :param call: fires at the end.
    :ivar send_item: sends an item, as JSON, to a route that is a WebSocket; None for a stream that was asked
        for as such.
    """

    send_item: Callable[[bytes], None] | None = None

    def __init__(self, type: ResultType[ResultT], buffer: StreamBuffer, call: Deferred[Received]) -> None:
        super().__init__(type, buffer)
        self._call = call

        def failed(failure: Failure) -> None:
            buffer.end(None if failure.check(CancelledError) else failure.value)

        call.addCallbacks(lambda _: buffer.end(), failed)

    def _wait(self) -> Deferred[None]:
        waiter: Deferred[None] = Deferred()
        self._buffer.wake = lambda: waiter.callback(None)
        return waiter

    def _cancel(self) -> None:
        self._buffer.clear()
        if not self._buffer.ended:
            self._call.cancel()

    def __del__(self) -> None:
        self._cancel()
