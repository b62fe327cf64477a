"""Calls of the clients through interceptors. Pure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Self

from msgspec import Raw

from unixsvc.client.calls import result_of
from unixsvc.client.connection import Call
from unixsvc.client.events import HeadedData, Received
from unixsvc.client.stream_buffer import BufferedStream, StreamBuffer
from unixsvc.domain.call_options import ResultT, ResultType
from unixsvc.domain.message import Created, Reply, Request
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.errors import BadGateway
from unixsvc.interception.client import ClientInterceptors, Send

__all__ = [
    "HeadedItems",
    "InterceptedStream",
    "call_of",
    "items_of",
    "open_result",
    "raw_result",
    "reply_of",
    "require_items",
    "send_through",
]


def send_through(
    interceptors: ClientInterceptors, service: str, call: Call, timeout: float | None, send: Send
) -> Awaitable[Reply]:
    """Make a call of a client through its interceptors.

    :param timeout: in seconds; None for no limit.
    :param send: makes the call.
    """
    return interceptors.call(service, call.method, call.path, call.data, call.meta, timeout, send)


def call_of(request: Request) -> Call:
    """The call of a request that interceptors may have changed."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    return Call(request.method, target, request.data, request.meta)


def reply_of(result: Received | Created[Raw] | Reply | AsyncIterator[Raw]) -> Reply:
    """The reply that interceptors see."""
    if isinstance(result, Raw):
        return Reply(200, bytes(result))
    if isinstance(result, HeadedData):
        return Reply(200, bytes(result.data), head=result.head)
    if isinstance(result, Reply):
        return result
    if isinstance(result, Created):
        return Reply(200, bytes(result.value), location=result.location)
    return Reply(items=items_of(result), head=getattr(result, "head", None))


async def items_of(stream: Any) -> AsyncGenerator[bytes, None]:
    """The items of a stream as JSON; closing the generator closes the stream.

    :param stream: an asynchronous iterator of Raw with a method ``aclose``.
    """
    async with aclosing(stream):
        async for item in stream:
            yield bytes(item)


def raw_result(reply: Reply) -> Received:
    """The result of a unary call, as JSON, with its head.

    :raises BadGateway: if an interceptor has made a stream of it.
    """
    if reply.items is not None:
        raise BadGateway("an interceptor has replied with a stream to call()")
    data = Raw(reply.body)
    return data if reply.head is None else HeadedData(data, reply.head)


def require_items(reply: Reply) -> AsyncGenerator[bytes, None] | None:
    """The items of a stream; None if it has none.

    :raises BadGateway: if an interceptor has replied with a result.
    """
    if reply.items is None and reply.body != b"null":
        raise BadGateway("an interceptor has replied without a stream to stream()")
    return reply.items


def open_result(reply: Reply) -> Raw | Created[Raw] | Reply | HeadedItems:
    """The result of a call whose reply may be a stream."""
    if reply.items is not None:
        return HeadedItems(reply.items, reply.head)
    if reply.head is not None:
        return reply
    if reply.location is not None:
        return Created(Raw(reply.body), reply.location)
    return Raw(reply.body)


class HeadedItems:
    """The items of a stream, as JSON.

    :ivar head: what the reply says over HTTP besides.
    """

    def __init__(self, items: AsyncGenerator[bytes, None], head: ReplyHead | None) -> None:
        self._items = items
        self.head = head

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Raw:
        """The next item."""
        return Raw(await self._items.__anext__())

    async def aclose(self) -> None:
        """Cancel the stream."""
        await self._items.aclose()


class InterceptedStream(BufferedStream[ResultT]):
    """A stream through interceptors. It is requested when its first item is.

    :param type: what each item is decoded as.
    :param request: requests the stream.
    :ivar source: the stream of the service; None as long as it is not requested.
    """

    def __init__(self, type: ResultType[ResultT], request: Callable[[], Awaitable[Reply]]) -> None:
        super().__init__(type, StreamBuffer())
        self._request = request
        self._items: AsyncGenerator[bytes, None] | None = None
        self._closed = False
        self.source: BufferedStream[Any] | None = None

    @property
    def head(self) -> ReplyHead | None:
        """See :class:`BufferedStream`."""
        return None if self.source is None else self.source.head

    async def __anext__(self) -> ResultT:
        if self._closed:
            raise StopAsyncIteration
        if self._items is None:
            self._items = require_items(await self._request())
            if self._items is None:
                self._closed = True
                raise StopAsyncIteration
        item: ResultT = result_of(Raw(await self._items.__anext__()), self._type)
        return item

    async def aclose(self) -> None:
        """Cancel the stream."""
        self._closed = True
        if self._items is not None:
            await self._items.aclose()

    def _cancel(self) -> None:
        """Nothing is buffered here."""
