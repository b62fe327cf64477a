"""Actions that await asyncio and Twisted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc import GET, App, DeadlineExceeded, Group, IServices

_PAUSE = 0.01


class Awaiting:
    """Waits in every way.

    :ivar interrupted: where actions have got DeadlineExceeded.
    """

    def __init__(self, services: IServices, reactor: IReactorTime) -> None:
        self._services = services
        self._reactor = reactor
        self.interrupted: list[str] = []

    async def mixed(self, service: str) -> list[int]:
        """Await both worlds, and another service from within tasks."""
        task = asyncio.current_task()
        await asyncio.sleep(_PAUSE)
        one = await deferLater(self._reactor, _PAUSE, lambda: 1)
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            two = group.create_task(asyncio.to_thread(lambda: 2))
            calls = asyncio.gather(*[self._services.get(service, f"/number/{number}") for number in (3, 4)])
        assert asyncio.current_task() is task
        return [one, two.result(), *await calls]

    async def number(self, id: int) -> int:
        """Wait, and return the number."""
        await asyncio.sleep(_PAUSE)
        return id

    async def items(self, count: int) -> AsyncIterator[int]:
        """Wait in both worlds for each item."""
        for number in range(count):
            await asyncio.sleep(0)
            yield await deferLater(self._reactor, 0, lambda number=number: number)

    async def endless(self, kind: str) -> None:
        """Wait without end."""
        waits: dict[str, Callable[[], Awaitable[object]]] = {
            "asyncio": lambda: asyncio.sleep(1000),
            "deferred": lambda: deferLater(self._reactor, 1000),
            "call": lambda: asyncio.gather(self._services.get("awaiting", "/endless/asyncio")),
        }
        try:
            await waits[kind]()
        except DeadlineExceeded:
            self.interrupted.append(kind)
            raise

    async def interruptions(self) -> list[str]:
        """Return where actions have got DeadlineExceeded."""
        return sorted(self.interrupted)


app = App(
    [
        Group(
            "",
            Awaiting,
            [
                GET("/mixed", Awaiting.mixed),
                GET("/number/{id:int}", Awaiting.number),
                GET("/items", Awaiting.items),
                GET("/endless/{kind}", Awaiting.endless),
                GET("/interruptions", Awaiting.interruptions),
            ],
        )
    ]
)
