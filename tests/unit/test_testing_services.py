"""Several services in memory, of which one calls the others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import (
    GET,
    App,
    DeadlineExceeded,
    Group,
    IServices,
    NotFound,
    Request,
    ServiceCaller,
    Unavailable,
)
from unixsvc.errors import Internal
from unixsvc.testing import MemoryService


class _Shop:
    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def show(self, request: Request, id: int) -> dict[str, Any]:
        if id > 9:
            raise NotFound(f"no item {id}")
        return {"id": id, "request": request.request_id}

    async def wait(self) -> None:
        await deferLater(self._reactor, 60)

    async def prices(self, count: int) -> AsyncIterator[int]:
        for price in range(count):
            yield price


class _Orders:
    def __init__(self, services: IServices) -> None:
        self._shop = ServiceCaller(services, "shop")
        self._other = ServiceCaller(services, "other")

    async def show(self, id: int) -> Any:
        return await self._shop.call("GET", f"/items/{id}")

    async def wait(self) -> Any:
        return await self._shop.call("GET", "/wait", timeout=2)

    async def prices(self) -> Any:
        return [each async for each in self._shop.stream("GET", "/prices", {"count": 3})]

    async def other(self) -> Any:
        return await self._other.call("GET", "/")


_SHOP = App(
    [
        Group("", _Shop, [GET("/items/{id:int}", _Shop.show), GET("/wait", _Shop.wait)]),
        Group("", _Shop, [GET("/prices", _Shop.prices)]),
    ]
)
_ORDERS = App(
    [
        Group("/orders", _Orders, [GET("/{id:int}", _Orders.show), GET("/wait", _Orders.wait)]),
        Group("/orders", _Orders, [GET("/prices", _Orders.prices), GET("/other", _Orders.other)]),
    ],
    mounts={"/items": "shop"},
)


class ServicesTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Start both."""
        self.orders = MemoryService(_ORDERS, services={"shop": MemoryService(_SHOP)})

    def test_call(self) -> None:
        """A call reaches the other service, within the request context of the action."""
        reply = self.successResultOf(self.orders.call("GET", "/orders/7", {}, meta={"request_id": "r-1"}))
        self.assertEqual(reply, {"id": 7, "request": "r-1"})

    def test_error(self) -> None:
        """An error of the other service is the reply, if the action does not catch it."""
        error = self.failureResultOf(self.orders.get("/orders/77"), NotFound).value
        self.assertEqual(error.detail, "no item 77")

    def test_stream(self) -> None:
        """The items of a stream arrive."""
        self.assertEqual(self.successResultOf(self.orders.get("/orders/prices")), [0, 1, 2])

    def test_mount(self) -> None:
        """A mount forwards to the other service."""
        self.assertEqual(self.successResultOf(self.orders.get("/items/3"))["id"], 3)

    def test_timeout(self) -> None:
        """The timeout of a call ends on the clock of the service that calls."""
        waiting = self.orders.get("/orders/wait")
        self.orders.clock.advance(1)
        self.assertNoResult(waiting)
        self.orders.clock.advance(1)
        self.failureResultOf(waiting, DeadlineExceeded)

    def test_closed(self) -> None:
        """A service that was closed cannot be reached, whether it was called before or not."""
        for before in 0, 1:
            shop = MemoryService(_SHOP)
            orders = MemoryService(_ORDERS, services={"shop": shop})
            for _ in range(before):
                self.successResultOf(orders.get("/orders/7"))
            self.successResultOf(shop.close())
            self.failureResultOf(orders.get("/orders/7"), Unavailable)

    def test_unknown(self) -> None:
        """A service that was not passed is an error of the test, whose message says what to pass."""
        self.failureResultOf(self.orders.get("/orders/other"), Internal)
        [failure] = self.flushLoggedErrors(LookupError)
        self.assertIn("services={'other': ...}", str(failure.value))
