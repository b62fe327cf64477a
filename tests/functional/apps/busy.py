"""An application that works beside its requests."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import svcs
from twisted.internet.defer import Deferred

from unixsvc import GET, App, Group, Request, ServiceContext, Tasks

_KEPT: list[asyncio.Task[None]] = []


class Busy:
    """Starts work of all kinds."""

    def __init__(self, tasks: Tasks, context: ServiceContext) -> None:
        self._file = Path(context.folder, "done")
        tasks.start_endless(self.consume)

    async def consume(self) -> None:
        """Wait until the worker drains."""
        try:
            await asyncio.sleep(1000)
        finally:
            self.record("consumer ended")

    def record(self, text: str) -> None:
        """Write a line."""
        with self._file.open("a") as file:
            file.write(f"{text}\n")

    async def later(self, text: str) -> None:
        """Write a line after a while."""
        await asyncio.sleep(0.3)
        self.record(text)

    def start(self, request: Request) -> str:
        """Start work that takes longer than the reply, in both ways."""
        request.background(self.later, "coroutine")
        request.background(self.record, "function")
        return "started"

    def fail(self, request: Request) -> str:
        """Start work that fails."""
        request.background(_fail, "background work")
        return "started"

    async def forget(self) -> str:
        """Forget a Deferred and a task that fail, where Python collects no garbage."""
        gc.disable()
        Deferred.fromCoroutine(_fail("forgotten Deferred"))
        _KEPT.append(asyncio.create_task(_fail("forgotten task")))
        await asyncio.sleep(0)
        return "forgotten"


async def _fail(what: str) -> None:
    raise OSError(what)


def register(registry: svcs.Registry, context: ServiceContext) -> None:
    """Register the context."""
    registry.register_value(ServiceContext, context)


app = App(
    [Group("", Busy, [GET("/start", Busy.start), GET("/fail", Busy.fail), GET("/forget", Busy.forget)])],
    container=register,
)
