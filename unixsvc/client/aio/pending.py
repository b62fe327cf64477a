"""Pending calls of the asyncio client: each resolves a Future."""

from __future__ import annotations

import asyncio

from unixsvc.client.calls import NO_LIMIT
from unixsvc.client.connection import Call
from unixsvc.client.errors import AttemptFailed
from unixsvc.client.events import Received, ResponseReceived
from unixsvc.client.multiplexer import Multiplexer
from unixsvc.client.stream_buffer import StreamBuffer

__all__ = ["PendingFuture", "request"]


class PendingFuture:
    """A pending call.

    :param future: resolved with the result.
    """

    __slots__ = ("buffer", "deadline", "future")

    def __init__(
        self, future: asyncio.Future[Received], deadline: float, buffer: StreamBuffer | None = None
    ) -> None:
        self.future = future
        self.deadline = deadline
        self.buffer = buffer

    def succeed(self, response: ResponseReceived) -> None:
        """Resolve the future, unless its task was cancelled in this turn of the loop."""
        if not self.future.done():
            self.future.set_result(response.data if response.head is None else response.result)

    def fail(self, error: AttemptFailed) -> None:
        """Fail the future."""
        if not self.future.done():
            self.future.set_exception(error)

    def start_stream(self, id: int, buffer: StreamBuffer) -> bool:
        """The reply must not be a stream."""
        return False


async def request(
    multiplexer: Multiplexer, call: Call, timeout: float, buffer: StreamBuffer | None = None
) -> Received:
    """Make one attempt.

    :param timeout: in seconds.
    :param buffer: receives the items, if a stream is requested.
    :returns: the result, or at the end of the stream.
    :raises ConnectionLost: if the connection ends before the reply.
    :raises ServiceError: the error of the service, or DeadlineExceeded.
    """
    future: asyncio.Future[Received] = asyncio.get_running_loop().create_future()
    pending = PendingFuture(future, multiplexer.clock() + min(timeout, NO_LIMIT), buffer)
    if buffer is None:
        number = multiplexer.start(call, timeout, pending)
    else:
        number = multiplexer.start_stream(call, timeout, pending)
    try:
        return await future
    finally:
        multiplexer.cancel(number)
