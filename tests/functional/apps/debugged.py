"""An application with breakpoints."""

import asyncio

from unixsvc import GET, App


async def waiting(number: int) -> int:
    """Stop in a coroutine, before it waits."""
    total = number
    breakpoint()
    await asyncio.sleep(0.01)
    total += 1
    return total


def blocking(number: int) -> int:
    """Stop in a thread."""
    total = number
    breakpoint()
    total += 1
    return total


def item(id: int) -> dict[str, int]:
    """Do not stop."""
    return {"id": id}


app = App(
    [
        GET("/waiting/{number:int}", waiting),
        GET("/blocking/{number:int}", blocking, blocking=True),
        GET("/item/{id:int}", item),
    ]
)
