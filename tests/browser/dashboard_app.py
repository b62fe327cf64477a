"""A shop that calls a stock, for the live page: some requests are slow, some fail."""

from __future__ import annotations

import asyncio

from unixsvc import GET, App, Group, IServices

__all__ = ["shop", "stock"]


async def amount(product: int) -> int:
    """The number of pieces; product 13 has a defect."""
    if product == 13:
        raise LookupError(product)
    return product * 2


class Products:
    """The products."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def show(self, product: int) -> dict[str, int]:
        """A product, with what the stock says."""
        return {"stock": await self._services.get("stock", f"/amount/{product}")}


async def report(seconds: float = 0.05) -> str:
    """A slow page."""
    await asyncio.sleep(seconds)
    return "report"


shop = App(
    [
        Group("/products", Products, [GET("/{product:int}", Products.show, public=True)]),
        GET("/report", report, public=True),
    ]
)
stock = App([GET("/amount/{product:int}", amount, public=True)])
