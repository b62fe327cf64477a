"""The application of the how-to page, with a route that counts the connections of its pool."""

from __future__ import annotations

from typing import Any

import svcs
from orders import container  # type: ignore[import-not-found] # of the page, in the folder of the service
from orders.actions import ROUTES  # type: ignore[import-not-found] # of the page, too
from sqlalchemy.ext.asyncio import AsyncEngine

from unixsvc import GET, App


async def count(container: svcs.Container) -> list[int]:
    """Return how many connections are in use, and in the pool."""
    engine = await container.aget(AsyncEngine)
    pool: Any = engine.pool
    return [pool.checkedout(), pool.checkedin()]


app = App([*ROUTES, GET("/pool", count)], container=container.register, lifespan=container.lifespan)
