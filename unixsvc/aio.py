"""The client for asyncio programs, on any event loop; it imports no Twisted.

For instance::

    async with unixsvc.aio.Client("shop") as shop:
        product = await shop.get("/products/7")
"""

from __future__ import annotations

from unixsvc.client.aio.client import Client
from unixsvc.client.aio.stream import Stream

__all__ = ["Client", "Stream"]
