"""One connection of an asyncio client, and a stream as an asyncio program reads it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from msgspec import Raw

from unixsvc.client.calls import result_of, unexpected_stream
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
from unixsvc.client.inotify import watch
from unixsvc.client.location import Credentials
from unixsvc.client.retry import ConnectionLost
from unixsvc.client.stream_buffer import StreamBuffer
from unixsvc.errors import DeadlineExceeded, ServiceError

__all__ = ["AsyncioClientProtocol", "Stream", "change_in"]

_ENOUGH: Final = 16_384  # bytes that are sent without waiting for more


class _Waiting:
    """One call that is not answered yet.

    :ivar deadline: when it has to be, in seconds of ``time.monotonic``.
    """

    __slots__ = ("deadline", "done", "stream_buffer")

    def __init__(
        self, done: asyncio.Future[Raw], deadline: float, stream_buffer: StreamBuffer | None
    ) -> None:
        self.done = done
        self.deadline = deadline
        self.stream_buffer = stream_buffer


class AsyncioClientProtocol(asyncio.Protocol):
    """One connection to a service, and who waits for what on it.

    It can be asked before the loop has taken the connection over: what is said by then is sent first. What
    those ask to whom one read has brought answers goes out in one ``write``, when all have had their turn.

    :param gone: called when it is of no use any more.
    """

    def __init__(
        self,
        shown: Credentials,
        loop: asyncio.AbstractEventLoop,
        gone: Callable[[AsyncioClientProtocol], None],
    ) -> None:
        self.conversation = ClientConnection(shown)
        self._loop = loop
        self._gone = gone
        self._transport: asyncio.Transport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._alarm = DeadlineTimer(time.monotonic, loop.call_later, self._end_late)
        self._unsent: list[bytes] | None = []  # None where what is said is sent at once
        self._size = 0  # of it
        self._waiting: dict[int, _Waiting] = {}
        self._refusal: ServiceError | None = None

    def open(self, connection: socket.socket) -> None:
        """Have the loop take over what is connected already."""
        self._opening = self._loop.create_task(self._open(connection))

    async def _open(self, connection: socket.socket) -> None:
        try:
            await self._loop.create_unix_connection(lambda: self, sock=connection)
        except BaseException as error:
            connection.close()
            self.connection_lost(None)
            if not isinstance(error, OSError):
                raise

    def begin(
        self, call: Call, seconds: float, stream_buffer: StreamBuffer | None = None
    ) -> tuple[int, asyncio.Future[Raw]]:
        """Ask.

        :returns: the call's id, by which it can be given up; and what gets the answer, for a stream its end.
            It fails with Lost if the connection ends before that.
        """
        number, message = self.conversation.ask(call, seconds, None if stream_buffer is None else WINDOW)
        done: asyncio.Future[Raw] = self._loop.create_future()
        deadline = time.monotonic() + seconds
        self._waiting[number] = _Waiting(done, deadline, stream_buffer)
        if deadline < self._alarm.at:
            self._alarm.set(deadline)
        if stream_buffer is not None:
            stream_buffer.began(lambda items: self._write(self.conversation.grant(number, items)))
        self._write(message)
        return number, done

    async def ask(self, call: Call, seconds: float, stream_buffer: StreamBuffer | None = None) -> Raw:
        """Ask, and wait for the answer; for a stream, for its end.

        :raises Lost: if the connection ends before that.
        """
        number, done = self.begin(call, seconds, stream_buffer)
        try:
            return await done
        finally:
            self.give_up(number)

    def give_up(self, id: int) -> None:
        """Nobody waits for that call any more, if it is still unanswered."""
        if self._waiting.pop(id, None) is not None:
            self._write(self.conversation.cancel(id))
            self._rest()

    def close(self) -> None:
        """End it."""
        self.conversation.leaving = True
        if self._transport is not None:
            self._flush()
            self._transport.close()
        elif self._opening is not None:
            self._opening.cancel()

    def connection_made(self, transport: Any) -> None:  # uvloop's is no asyncio.Transport by name
        """The loop has taken it over."""
        self._transport = transport
        self._send_on()

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        try:
            events = self.conversation.receive(data)
        except ServiceError as error:
            self._refusal = error
            self.conversation.leaving = True  # it is of no use, and gone only in the next turn
            if self._transport is not None:
                self._transport.abort()
            return
        if len(events) > 1 and self._unsent is None:
            self._unsent = []
            for event in events:
                _REACTIONS[type(event)](self, event)
            self._loop.call_soon(self._send_on)  # comes behind all whom the answers have woken
        else:
            for event in events:
                _REACTIONS[type(event)](self, event)
        self._rest()
        if self.conversation.leaving and not self.conversation:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over; who still waits is told."""
        self.conversation.leaving = True
        self._gone(self)
        self._alarm.rest()
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            if not each.done.done():
                each.done.set_exception(self._refusal or ConnectionLost())

    def _write(self, data: bytes) -> None:
        if self._unsent is not None:
            self._unsent.append(data)
            self._size += len(data)
            if self._size > _ENOUGH and self._transport is not None:
                self._flush()
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _flush(self) -> None:
        """Send what waits for it."""
        if self._unsent and self._transport is not None:
            data = b"".join(self._unsent)
            self._unsent.clear()
            self._size = 0
            if not self._transport.is_closing():
                self._transport.write(data)

    def _send_on(self) -> None:
        """Send what waits for it, and from now on at once."""
        self._flush()
        self._unsent = None

    def _is_answered(self, event: ResponseReceived) -> None:
        waiting = self._waiting.get(event.id)
        if waiting is not None and not waiting.done.done():  # else it was given up
            del self._waiting[event.id]
            waiting.done.set_result(event.data)

    def _has_failed(self, event: ErrorReceived) -> None:
        waiting = self._waiting.get(event.id)
        if waiting is not None and not waiting.done.done():
            del self._waiting[event.id]
            waiting.done.set_exception(event.error)

    def _has_item(self, event: ItemReceived) -> None:
        waiting = self._waiting.get(event.id)
        if waiting is None:
            return  # it was given up
        if waiting.stream_buffer is not None:
            waiting.stream_buffer.put(event.data)
            return
        del self._waiting[event.id]
        self._write(self.conversation.cancel(event.id))
        if not waiting.done.done():
            waiting.done.set_exception(unexpected_stream())

    def _is_to_go(self, event: GoawayReceived) -> None:
        """Nothing new is asked here, as the conversation knows by now."""

    def _rest(self) -> None:
        """Where nobody waits, no time is counted."""
        if not self._waiting:
            self._alarm.rest()

    def _end_late(self, now: float) -> float:
        """End the calls whose time is over; the next deadline."""
        for number in [number for number, each in self._waiting.items() if each.deadline <= now]:
            waiting = self._waiting.pop(number)
            self._write(self.conversation.cancel(number))
            if not waiting.done.done():
                waiting.done.set_exception(DeadlineExceeded())
        return min((each.deadline for each in self._waiting.values()), default=math.inf)


_REACTIONS: Final[dict[type[Event], Callable[[AsyncioClientProtocol, Any], None]]] = {
    ResponseReceived: AsyncioClientProtocol._is_answered,
    ErrorReceived: AsyncioClientProtocol._has_failed,
    ItemReceived: AsyncioClientProtocol._has_item,
    GoawayReceived: AsyncioClientProtocol._is_to_go,
}


class Stream:
    """Items as they come. The service sends only as many ahead as fit into a window that its reader opens.

    To drop it, as a loop does that is left, cancels it.

    :param kind: what each item is to be.
    :param stream_buffer: where they come in.
    :param task: done at the end.
    """

    def __init__(self, kind: Any, stream_buffer: StreamBuffer, task: asyncio.Task[Raw]) -> None:
        self._kind = kind
        self._stream_buffer = stream_buffer
        self._task = task

        def ended(task: asyncio.Task[Raw]) -> None:
            stream_buffer.end(None if task.cancelled() else task.exception())

        task.add_done_callback(ended)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Any:
        """The next item.

        :raises ServiceError: if the stream has failed.
        """
        stream_buffer = self._stream_buffer
        while not stream_buffer:
            if stream_buffer.over:
                if stream_buffer.error is None:
                    raise StopAsyncIteration
                raise stream_buffer.error
            waiting = asyncio.get_running_loop().create_future()
            stream_buffer.wake = lambda done=waiting: done.done() or done.set_result(None)
            try:
                await waiting
            except asyncio.CancelledError:
                self._leave()
                raise
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
        # This may be any thread, and the loop may be closed.
        if not self._task.done():
            with contextlib.suppress(RuntimeError):
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def _leave(self) -> None:
        self._stream_buffer.drop()
        self._task.cancel()


async def change_in(directory: str, seconds: float) -> None:
    """Wait until something appears in a directory, goes, or is moved; for so many seconds at most."""
    try:
        descriptor = watch(directory)
    except OSError:
        await asyncio.sleep(seconds)
        return
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()
    loop.add_reader(descriptor, changed.set)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
