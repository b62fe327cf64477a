"""Three services that ask each other: the first the second, the second the third, which waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from unixsvc import GET, POST, App, Group, IServices, Request

log = Logger(namespace="chain")


class First:
    """Asks the second."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def wait(self) -> Any:
        """For what does not come."""
        return await self._services.get("second", "/wait")

    async def shielded(self, seconds: float) -> Any:
        """For what comes."""
        return await self._services.get("second", "/shielded", seconds=seconds)

    async def names(self) -> Any:
        """By which name each of the others was asked."""
        return await self._services.get("second", "/names")

    async def items(self) -> Any:
        """What the third gives one by one."""
        return [each async for each in self._services.stream("third", "GET", "/items")]

    async def absent(self) -> Any:
        """Ask a service that there is not."""
        return await self._services.get("absent", "/")


class Second:
    """Asks the third."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def wait(self) -> Any:
        """For what does not come."""
        return await self._services.get("third", "/wait")

    async def shielded(self, seconds: float) -> Any:
        """For what comes."""
        return await self._services.get("third", "/shielded", seconds=seconds)

    async def names(self, request: Request) -> Any:
        """By which name each was asked."""
        third = await self._services.get("third", "/names")
        return [[request.meta, request.timeout], third]


class Third:
    """Asks nobody."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def wait(self, request: Request) -> None:
        """For what does not come."""
        log.info("the third begins", request_id=request.request_id)
        await Deferred()

    async def shielded(self, request: Request, seconds: float) -> str:
        """For what comes."""
        log.info("the third begins", request_id=request.request_id)
        await deferLater(self._reactor, seconds)
        log.info("the third has done it", request_id=request.request_id)
        return "done"

    async def names(self, request: Request) -> Any:
        """By which name it was asked."""
        return [request.meta, request.timeout]

    async def items(self, request: Request) -> AsyncIterator[Any]:
        """By which name it was asked, and some numbers."""
        yield request.meta
        for number in range(200):
            yield number

    async def mounted(self, request: Request, colour: str, number: int) -> dict[str, Any]:
        """What comes through a mount."""
        return {
            "path": request.path,
            "method": request.method,
            "colour": colour,
            "number": number,
            "meta": request.meta,
            "timeout": request.timeout,
        }


first = App(
    [
        Group(
            "",
            First,
            [
                GET("/wait", First.wait),
                GET("/shielded", First.shielded, shield=True),
                GET("/names", First.names),
                GET("/items", First.items),
                GET("/absent", First.absent),
            ],
        )
    ],
    mounts={"/third": "third", "/nobody": "nobody"},
)
second = App(
    [
        Group(
            "",
            Second,
            [
                GET("/wait", Second.wait),
                GET("/shielded", Second.shielded, shield=True),
                GET("/names", Second.names),
            ],
        )
    ]
)
third = App(
    [
        Group(
            "",
            Third,
            [
                GET("/wait", Third.wait),
                GET("/shielded", Third.shielded, shield=True),
                GET("/names", Third.names),
                GET("/items", Third.items),
                GET("/third", Third.mounted),
                POST("/third/x", Third.mounted),
                GET("/third/wait", Third.wait),
            ],
        )
    ]
)
