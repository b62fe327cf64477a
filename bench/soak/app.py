"""The application under the mixed load.

``BENCH_SOAK_LEAK`` is a number of bytes that each request leaks, to show that a leak is found.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta, Struct

from unixsvc import GET, POST, App, NotFound, UploadFile

__all__ = ["app"]

_LEAK = int(os.environ.get("BENCH_SOAK_LEAK", "0"))
_LAST_ITEM = 1000
_leaked: list[bytearray] = []


class Item(Struct):
    """An item."""

    id: int
    name: str


class NewItem(Struct):
    """The body of ``POST /items``."""

    name: Annotated[str, Meta(min_length=1, max_length=80)]


async def show(id: int) -> Item:
    """One item."""
    if _LEAK:
        _leaked.append(bytearray(_LEAK))
    if id > _LAST_ITEM:
        raise NotFound(f"no item {id}")
    return Item(id, f"item {id}")


async def create(new: NewItem) -> Item:
    """A new item, which is not stored."""
    return Item(_LAST_ITEM, new.name)


async def count(to: int) -> AsyncIterator[Item]:
    """A stream that waits between its items."""
    for number in range(to):
        yield Item(number, "x" * 100)
        await asyncio.sleep(0.001)


async def upload(file: UploadFile) -> int:
    """The size of a file."""
    return file.size


app = App(
    [
        GET("/items/{id:int}", show),
        POST("/items", create),
        GET("/count", count),
        POST("/upload", upload),
    ]
)
