"""An application whose requests wait in all ways."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from twisted.internet.defer import Deferred

from unixsvc import GET, WEBSOCKET, App, Cancelled, Group, WebSocket


class Leaked:
    """An object that is kept."""

    def __init__(self, text: str) -> None:
        self.text = text + "y"


class Waits:
    """One action for each way to wait."""

    def __init__(self) -> None:
        self._cancelled = 0
        self._leaked: list[Leaked] = []

    async def sleep(self, id: int) -> None:
        """Wait for asyncio, below a function of its own."""
        await self._below()

    async def _below(self) -> None:
        try:
            await asyncio.sleep(60.0)  # sleeps here
        except Cancelled:
            self._cancelled += 1
            raise

    async def deferred(self) -> None:
        """Wait for a Deferred."""
        await Deferred()  # waits here

    async def task(self) -> None:
        """Wait for a task of its own."""
        await asyncio.create_task(self._below())

    def block(self) -> None:
        """Wait in a thread."""
        time.sleep(60.0)  # blocks here

    async def shielded(self) -> None:
        """Wait with a shield."""
        await Deferred()

    async def rows(self) -> AsyncIterator[int]:
        """Wait for the second item."""
        yield 1
        await self._below()
        yield 2

    async def endless(self) -> AsyncIterator[int]:
        """Wait for the reader."""
        while True:
            yield 1

    async def chat(self, socket: WebSocket[str, str]) -> None:
        """Wait for a message."""
        async for _ in socket:  # waits for a message here
            pass

    async def cancelled(self) -> int:
        """The number of actions that were cancelled where they waited."""
        return self._cancelled

    async def compute(self, seconds: float) -> None:
        """Use the processor, with turns for the event loop."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            sum(range(2000))
            await asyncio.sleep(0)

    async def leak(self, seconds: float) -> None:
        """Keep more and more objects."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._leaked += [Leaked("x" * 1000) for _ in range(100)]
            await asyncio.sleep(0.01)

    async def spin(self, seconds: float) -> None:
        """Block the event loop."""
        time.sleep(seconds)


app = App(
    [
        Group(
            "",
            Waits,
            [
                GET("/sleep/{id:int}", Waits.sleep),
                GET("/deferred", Waits.deferred),
                GET("/task", Waits.task),
                GET("/block", Waits.block, blocking=True),
                GET("/shielded", Waits.shielded, shield=True),
                GET("/rows", Waits.rows),
                GET("/endless", Waits.endless),
                WEBSOCKET("/chat", Waits.chat),
                GET("/cancelled", Waits.cancelled),
                GET("/spin", Waits.spin),
                GET("/compute", Waits.compute),
                GET("/leak", Waits.leak),
            ],
        )
    ]
)
