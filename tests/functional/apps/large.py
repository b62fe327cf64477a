"""An application whose replies can be large, and need no token."""

from __future__ import annotations

from unixsvc import GET, App


async def large(size: int) -> str:
    """Return this many letters."""
    return "x" * size


async def item(id: int) -> dict[str, int]:
    """Return an item."""
    return {"id": id}


app = App([GET("/large/{size:int}", large, public=True), GET("/item/{id:int}", item)])
