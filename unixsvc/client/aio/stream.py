"""Streams of the asyncio client."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from unixsvc.client.events import Received
from unixsvc.client.stream_buffer import BufferedStream, StreamBuffer
from unixsvc.domain.call_options import ResultT, ResultType

__all__ = ["Stream"]


class Stream(BufferedStream[ResultT]):
    """The items of a stream, see ``BufferedStream``.

    :param task: done at the end.
    """

    def __init__(self, type: ResultType[ResultT], buffer: StreamBuffer, task: asyncio.Task[Received]) -> None:
        super().__init__(type, buffer)
        self._task = task

        def done(task: asyncio.Task[Received]) -> None:
            buffer.end(None if task.cancelled() else task.exception())

        task.add_done_callback(done)

    async def _wait(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer.wake = partial(_resolve, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            self._cancel()
            raise

    def _cancel(self) -> None:
        self._buffer.clear()
        self._task.cancel()

    def __del__(self) -> None:
        # It may run in any thread, and after the loop was closed.
        if not self._task.done():
            with contextlib.suppress(RuntimeError):
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
