"""An application with a lifespan, which writes what happens to a file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import svcs

from unixsvc import GET, App, Group, ServiceContext


class Journal:
    """Writes lines to a file of the service."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, event: str) -> None:
        """Write a line."""
        with self._path.open("a") as file:
            file.write(f"{os.getpid()} {event}\n")


class Living:
    """A controller with a value of the lifespan."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def wait(self, seconds: float) -> int:
        """Wait, and return the process id."""
        await asyncio.sleep(seconds)
        self._journal.write("answered")
        return os.getpid()

    async def crash(self, group: svcs.Container) -> None:
        """Let a task of the lifespan fail."""
        (await group.aget(asyncio.TaskGroup)).create_task(_fail())


async def _fail() -> None:
    raise OSError("the queue is gone")


@asynccontextmanager
async def lifespan(context: ServiceContext) -> AsyncIterator[dict[type, object]]:
    """Wait at the start and at the end, with an open task group."""
    journal = Journal(Path(context.folder, "journal"))
    journal.write("entering")
    kind = context.options.get("kind")
    try:
        await asyncio.sleep(60 if kind == "slow" else 0.05)
    except asyncio.CancelledError:
        journal.write("cancelled")
        await asyncio.sleep(0.05)
        journal.write("cleaned up")
        raise
    if kind == "broken":
        raise OSError("no database")
    async with asyncio.TaskGroup() as group:
        journal.write("entered")
        yield {Journal: journal, asyncio.TaskGroup: group}
        journal.write("leaving")
        await asyncio.sleep(0.05)
    journal.write("left")


app = App([Group("", Living, [GET("/wait", Living.wait), GET("/crash", Living.crash)])], lifespan=lifespan)
