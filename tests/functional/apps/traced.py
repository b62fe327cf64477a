"""Two services: the shop calls the bank, within spans."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from opentelemetry import baggage, trace
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from unixsvc import GET, App, Group, IServices, Request
from unixsvc.blocking import Client
from unixsvc.tracing import TracedCalls

log = Logger(namespace="traced")
tracer = trace.get_tracer("bank")


class Shop:
    """Calls the bank."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def buy(self, id: int) -> Any:
        """Call it for a result."""
        log.info("bought")
        return await self._services.get("bank", f"/balance/{id}")

    async def fail(self) -> Any:
        """Call it for an error."""
        return await self._services.get("bank", "/fail")

    async def late(self) -> Any:
        """Call it for what it takes too long for."""
        return await self._services.call("bank", "GET", "/wait", timeout=0.2)

    async def prices(self) -> AsyncIterator[Any]:
        """A stream, with a call for each item, of the items of a stream."""
        async for each in self._services.stream("bank", "GET", "/rates"):
            yield [each, await self._services.get("bank", f"/balance/{each}")]

    def blocking(self) -> Any:
        """Call it from a thread."""
        with Client("bank", interceptors=[TracedCalls()]) as bank:
            return bank.get("/balance/7")


class Bank:
    """Calls no service."""

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def balance(self, id: int) -> Any:
        """Wait within a span of its own."""
        with tracer.start_as_current_span("ledger"):
            log.info("looked up")
            await deferLater(self._reactor, 0.01)
            return [id, baggage.get_baggage("tenant")]

    async def wait(self) -> None:
        """Wait for long."""
        await deferLater(self._reactor, 30)

    async def rates(self) -> AsyncIterator[int]:
        """Yield two numbers."""
        for number in (1, 2):
            yield number

    def meta(self, request: Request) -> Any:
        """What a caller has sent."""
        return request.meta

    def fail(self) -> None:
        """Fail."""
        raise ValueError("no luck")


shop = App(
    [
        Group(
            "",
            Shop,
            [
                GET("/buy/{id:int}", Shop.buy),
                GET("/fail", Shop.fail),
                GET("/late", Shop.late),
                GET("/prices", Shop.prices),
                GET("/blocking", Shop.blocking, blocking=True),
            ],
        )
    ],
    mounts={"/bank": "bank:/"},
)
bank = App(
    [
        Group(
            "",
            Bank,
            [
                GET("/balance/{id:int}", Bank.balance),
                GET("/wait", Bank.wait),
                GET("/rates", Bank.rates),
                GET("/fail", Bank.fail),
                GET("/meta", Bank.meta),
            ],
        )
    ]
)
