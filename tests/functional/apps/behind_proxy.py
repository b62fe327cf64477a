"""An HTTP application that tells how it sees the requests of a reverse proxy."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

from klein import Klein
from msgspec import Struct
from svcs import Container
from twisted.internet.defer import Deferred

from unixsvc import GET, POST, App, Created, Group, Request, UploadFile


class Uploaded(Struct):
    """A file that was received.

    :ivar peak: the most resident memory of the worker so far, in KiB.
    """

    size: int
    sha256: str
    peak: int


class Things:
    """Counts what has happened.

    :ivar cancelled: the number of requests that were cancelled.
    """

    def __init__(self) -> None:
        self.cancelled = 0
        self._gates: list[Deferred[None]] = []

    async def create(self, text: str) -> Created[int]:
        """Return the length of a text."""
        return Created(len(text), "/things/7")

    async def upload(self, photo: UploadFile) -> Uploaded:
        """Return what was received of a file."""
        digest = hashlib.sha256()
        async for chunk in photo:
            digest.update(chunk)
        with open("/proc/self/status", encoding="ascii") as status:
            peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
        return Uploaded(photo.size, digest.hexdigest(), peak)

    async def items(self) -> AsyncIterator[int]:
        """Yield each item but the first when ``/open`` is requested."""
        for number in range(3):
            if number:
                self._gates.append(Deferred())
                await self._gates[-1]
            yield number

    async def open(self) -> int:
        """Let streams go on; how many there were."""
        gates, self._gates = self._gates, []
        for gate in gates:
            gate.callback(None)
        return len(gates)

    async def wait(self) -> None:
        """Wait forever."""
        try:
            self._gates.append(Deferred())
            await self._gates[-1]
        finally:
            self.cancelled += 1

    async def pending(self) -> dict[str, int]:
        """How many requests wait, and how many were cancelled."""
        return {"waiting": len(self._gates), "cancelled": self.cancelled}

    async def forwarded(self, request: Request) -> list[str]:
        """Return which headers say where a request comes from, without ``X-Forwarded-``."""
        names = [name.decode() for name in request.headers or {}]
        return sorted(name.removeprefix("X-Forwarded-") for name in names if "Forwarded" in name)

    async def meta(self, request: Request) -> dict[str, str]:
        """Return the meta of the request."""
        return request.meta


def add_pages(klein: Klein, container: Container) -> None:
    """Add a page that describes its own request."""
    channels: list[Any] = []

    @klein.route("/seen")
    def seen(request: Any) -> dict[str, Any]:
        if not any(request.channel is each for each in channels):
            channels.append(request.channel)
        return {
            "connections": len(channels),
            "client": request.getClientAddress().host,
            "url": str(request.URLPath()),
        }


app = App(
    [
        Group(
            "",
            Things,
            [
                POST("/things", Things.create, public=True),
                POST("/upload", Things.upload, public=True, max_body=200_000_000),
                GET("/items", Things.items, public=True),
                GET("/open", Things.open, public=True),
                GET("/wait", Things.wait, public=True),
                GET("/pending", Things.pending, public=True),
                GET("/meta", Things.meta, public=True),
                GET("/forwarded", Things.forwarded, public=True),
            ],
        )
    ],
    web=add_pages,
)
