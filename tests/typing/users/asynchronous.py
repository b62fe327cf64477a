"""Code for asyncio and for Twisted in the same application."""

from __future__ import annotations

import asyncio
from typing import assert_type

from twisted.internet.defer import Deferred

from unixsvc import from_asyncio


async def compute() -> int:
    return 7


async def use() -> str:
    assert_type(from_asyncio(compute()), Deferred[int])
    assert_type(await from_asyncio(compute()), int)
    assert_type(await asyncio.gather(compute(), compute()), tuple[int, int])
    from_asyncio(compute)  # error: from_asyncio
    from_asyncio(7)  # error: from_asyncio
    return await from_asyncio(compute())  # error: int
