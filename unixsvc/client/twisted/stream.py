"""The items of a stream, as a Twisted program reads it."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from unixsvc.client.calls import result_of
from unixsvc.client.stream_buffer import StreamBuffer

__all__ = ["Stream"]


class Stream:
    """Items as they come. The service sends only as many ahead as fit into a window that its reader opens.

    To drop it, as a loop does that is left, cancels it.

    :param kind: what each item is to be.
    :param stream_buffer: where they come in.
    :param call: fires at the end.
    """

    def __init__(self, kind: Any, stream_buffer: StreamBuffer, call: Deferred[Any]) -> None:
        self._kind = kind
        self._stream_buffer = stream_buffer
        self._call = call

        def failed(failure: Failure) -> None:
            stream_buffer.end(failure.value)

        call.addCallbacks(lambda _: stream_buffer.end(), failed)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        """The next item.

        :raises ServiceError: if the stream has failed.
        """
        stream_buffer = self._stream_buffer
        while not stream_buffer:
            if stream_buffer.over:
                if stream_buffer.error is None or isinstance(stream_buffer.error, CancelledError):
                    raise StopAsyncIteration
                raise stream_buffer.error
            waiting: Deferred[None] = Deferred()
            stream_buffer.wake = lambda done=waiting: done.callback(None)
            await waiting
        return result_of(stream_buffer.take(), self._kind)

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Read no more: the generator at the other end is cancelled."""
        self._leave()

    def __del__(self) -> None:
        self._leave()

    def _leave(self) -> None:
        self._stream_buffer.drop()
        if not self._stream_buffer.over:
            self._call.cancel()
