"""A service with metrics of its own."""

from __future__ import annotations

import os
import signal

from prometheus_client import Counter, Gauge, Histogram

from unixsvc import GET, App, Group, IServices, Request

ORDERS = Counter("metered_orders", "Orders by kind.", ["kind"])
SIZE = Histogram("metered_size_bytes", "Sizes.", unit="bytes", buckets=(10, 100))
PIDS = Gauge("metered_pid", "The process id of a worker.")


async def order(kind: str) -> int:
    """Count an order."""
    ORDERS.labels(kind).inc()
    SIZE.observe(len(kind))
    PIDS.set(os.getpid())
    return os.getpid()


async def fail() -> None:
    """Fail."""
    raise RuntimeError("it fails")


async def die() -> None:
    """Die at once."""
    os.kill(os.getpid(), signal.SIGKILL)


async def later(request: Request) -> None:
    """Count an order after the reply."""
    request.background(order, "later")


class Forward:
    """Calls the service itself."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def order(self) -> int:
        """Have an order counted, perhaps by another worker."""
        pid: int = await self._services.get("metered", "/order/forwarded")
        return pid


app = App(
    [
        GET("/order/{kind}", order),
        GET("/fail", fail),
        GET("/die", die),
        GET("/later", later),
        Group("/forward", Forward, [GET("", Forward.order)]),
    ]
)
