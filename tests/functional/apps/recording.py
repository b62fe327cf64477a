"""An application that logs with Python's logging, in all places where its code runs."""

from __future__ import annotations

import asyncio
import logging
import warnings
from concurrent.futures import Future

from unixsvc import GET, App

_log = logging.getLogger("shop.records")


def _record(place: str) -> None:
    try:
        raise ValueError(f"raised in {place}")
    except ValueError:
        _log.exception("logged in %s", place, extra={"place": place})


def action() -> None:
    """Log in the action."""
    _record("an action")


def thread() -> None:
    """Log in a thread of the worker."""
    _record("a thread")


async def to_thread() -> None:
    """Log in a thread of asyncio, as the first step."""
    await asyncio.to_thread(_record, "a thread of asyncio")


async def task() -> None:
    """Log in a task that outlives the action, which does not wait."""

    async def later() -> None:
        await asyncio.sleep(0.01)
        _record("a task")

    _tasks.append(asyncio.create_task(later()))


def library() -> None:
    """Let a library log: Python's own, which does not know unixsvc."""
    future: Future[None] = Future()
    future.add_done_callback(lambda _: _broken("a library"))
    future.set_result(None)


def warn() -> None:
    """Warn."""
    warnings.warn("this is old", UserWarning, stacklevel=1)


def _broken(place: str) -> None:
    raise ValueError(f"raised in {place}")


_tasks: list[asyncio.Task[None]] = []

app = App(
    [
        GET("/action", action),
        GET("/thread", thread, blocking=True),
        GET("/to_thread", to_thread),
        GET("/task", task),
        GET("/library", library),
        GET("/warn", warn),
    ]
)
