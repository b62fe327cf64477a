"""Three services: the first calls the second, the second the third, which waits."""

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
    """Calls the second service."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def wait(self) -> Any:
        """Wait forever."""
        return await self._services.get("second", "/wait")

    async def shielded(self, seconds: float) -> Any:
        """Wait for a while, shielded."""
        return await self._services.get("second", "/shielded", seconds=seconds)

    async def names(self) -> Any:
        """The request ids in all services."""
        return await self._services.get("second", "/names")

    async def items(self) -> Any:
        """The items of the third service."""
        return [each async for each in self._services.stream("third", "GET", "/items")]

    async def absent(self) -> Any:
        """Call a service that does not exist."""
        return await self._services.get("absent", "/")


class Second:
    """Calls the third service."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def wait(self) -> Any:
        """Wait forever."""
        return await self._services.get("third", "/wait")

    async def shielded(self, seconds: float) -> Any:
        """Wait for a while, shielded."""
        return await self._services.get("third", "/shielded", seconds=seconds)

    async def names(self, request: Request) -> Any:
        """The request ids in both services."""
        third = await self._services.get("third", "/names")
        return [[request.meta, request.timeout], third]


class Third:
    """Calls no service."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def wait(self, request: Request) -> None:
        """Wait forever."""
        log.info("the third begins", request_id=request.request_id)
        await Deferred()

    async def shielded(self, request: Request, seconds: float) -> str:
        """Wait for a while, shielded."""
        log.info("the third begins", request_id=request.request_id)
        await deferLater(self._reactor, seconds)
        log.info("the third has done it", request_id=request.request_id)
        return "done"

    async def names(self, request: Request) -> Any:
        """The request id in this service."""
        return [request.meta, request.timeout]

    async def items(self, request: Request) -> AsyncIterator[Any]:
        """Yield the request id and some numbers."""
        yield request.meta
        for number in range(200):
            yield number

    async def mounted(self, request: Request, colour: str, number: int) -> dict[str, Any]:
        """The request as it arrives through a mount."""
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
