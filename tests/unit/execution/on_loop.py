"""Runs actions in memory, on an asyncio event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import uvloop
from twisted.internet.defer import Deferred

from unixsvc import GET, App
from unixsvc.testing import MemoryService

__all__ = ["call", "on_each_loop", "turns"]

_T = TypeVar("_T")


async def turns(number: int = 5) -> None:
    """Let the event loop run."""
    for _ in range(number):
        await asyncio.sleep(0)


def on_each_loop(main: Callable[[], Awaitable[_T]]) -> Iterator[_T]:
    """Run a coroutine function on asyncio's own event loop and on uvloop; the results."""
    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            yield runner.run(_awaited(main))


def call(
    action: Callable[..., Any],
    during: Callable[[MemoryService], Awaitable[object]] | None = None,
    **envelope: object,
) -> list[Any]:
    """Call an action on each event loop.

    :param during: awaited after the call.
    :returns: the result or the error of the call on each loop.
    """

    def serve() -> Any:  # the annotation of an action; that of the parameter may be missing
        return action()

    async def main() -> Any:
        service = MemoryService(App([GET("/", serve)]))
        reply: Deferred[Any] = service.call("GET", "/", {}, **envelope)
        results: list[Any] = []
        reply.addBoth(results.append)
        if during is not None:
            await during(service)
        for _ in range(10_000):
            if results:
                break
            await asyncio.sleep(0)
        await turns()
        with contextlib.suppress(AttributeError):
            return results[0].value
        return results[0]

    return list(on_each_loop(main))


async def _awaited(main: Callable[[], Awaitable[_T]]) -> _T:
    return await main()
