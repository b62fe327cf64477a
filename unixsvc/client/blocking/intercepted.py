"""Interceptors of the blocking client: coroutines that run without an event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import closing
from typing import TypeVar

from msgspec import Raw

from unixsvc.client.events import ItemReceived, Received
from unixsvc.client.intercepted import require_items
from unixsvc.domain.coroutine import SuspendedCoroutine, start
from unixsvc.domain.message import Reply
from unixsvc.domain.reply_head import ReplyHead

__all__ = ["blocking_items", "later_items", "run_now"]

_T = TypeVar("_T")


def run_now(awaitable: Awaitable[_T]) -> _T:
    """Run what never waits: interceptors around a call that blocks.

    :raises TypeError: if an interceptor waits for something else, which nothing would resume.
    """
    result = start(_await(awaitable))
    if isinstance(result, SuspendedCoroutine):
        result.coroutine.close()
        raise TypeError("an interceptor of a blocking client can await nothing but proceed(call)")
    return result


def blocking_items(
    request: Callable[[], Awaitable[Reply]], heads: list[ReplyHead]
) -> Generator[ItemReceived, None, Raw]:
    """The items of a stream that comes through interceptors.

    :param request: requests it.
    :param heads: has the head of the reply, if there is one, when the first item is there.
    """
    items = require_items(run_now(request()))
    if items is not None:
        try:
            while True:
                try:
                    item = run_now(items.__anext__())
                except StopAsyncIteration:
                    break
                yield ItemReceived(0, Raw(item), heads.pop() if heads else None)
        finally:
            run_now(items.aclose())
    return Raw(b"null")


async def later_items(
    items: Generator[ItemReceived, None, Received], heads: list[ReplyHead]
) -> AsyncGenerator[bytes, None]:
    """The items of a stream as interceptors see them; closing the generator closes the stream."""
    with closing(items):
        for item in items:
            if item.head is not None:
                heads.append(item.head)
            yield bytes(item.data)


async def _await(awaitable: Awaitable[_T]) -> _T:
    return await awaitable
