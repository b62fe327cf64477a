"""Knows which modules were imported after its own, and with which privileges it runs."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from unixsvc import GET, POST, App, Conflict, Group, IServices, cron, every

_late: list[str] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "import":
        _late.append(arguments[0])


sys.addaudithook(_note)


def imported() -> list[str]:
    """The modules that were imported since this one, and by the way some use of the standard library."""
    return list(_late)


def status() -> list[dict[str, str]]:
    """The kernel's view of each thread of this process."""
    lines = [path.read_text().splitlines() for path in Path("/proc/self/task").glob("*/status")]
    return [dict(line.split(":\t", 1) for line in each if ":\t" in line) for each in lines]


def environment() -> dict[str, str]:
    """The variables of this process."""
    return dict(os.environ)


def blocking(number: int) -> int:
    """Run in a thread."""
    return number


async def stream() -> AsyncIterator[int]:
    """Send two items."""
    yield 1
    yield 2


def fails() -> None:
    """Fail with an error for the client."""
    raise Conflict("no")


def broken() -> None:
    """Fail with any other error."""
    raise ValueError("broken")


class Asks:
    """Calls another service."""

    def __init__(self, services: IServices) -> None:
        self._services = services

    async def ask(self) -> Any:
        """Call it, with a reply and with a stream."""
        reply = await self._services.get("other", "/blocking", number=7)
        return [reply, *[item async for item in self._services.stream("other", "GET", "/stream")]]


app = App(
    [
        GET("/imported", imported),
        GET("/status", status),
        GET("/environment", environment),
        GET("/blocking", blocking, blocking=True),
        POST("/blocking", blocking, blocking=True),
        GET("/stream", stream),
        GET("/fails", fails),
        GET("/broken", broken),
        Group("", Asks, [GET("/ask", Asks.ask)]),
    ],
    schedules=[
        every("10ms", fails),
        cron("* * * * * *", environment, timezone="Europe/Berlin", blocking=True),
    ],
)
