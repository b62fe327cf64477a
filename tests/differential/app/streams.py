"""Streams that never wait, that wait for pushed items, and that fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import svcs
from msgspec import Meta, Raw
from twisted.internet.defer import Deferred

from tests.differential.app.gates import ALL_GATES
from unixsvc import GET, POST, Group, NotFound, Request, Route, ServiceError


class Feed:
    """Pushed items, which are streamed in their order."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.over = False
        self._wake: Deferred[None] | None = None

    def push(self, items: list[Any], over: bool) -> None:
        """Add items, or the end."""
        self.items += items
        self.over = self.over or over
        if self._wake is not None:
            wake, self._wake = self._wake, None
            if not wake.called:
                wake.callback(None)

    async def changed(self) -> None:
        """Wait until an item is pushed."""
        self._wake = Deferred()
        await self._wake


FEEDS: dict[str, Feed] = {}


class Streams:
    """Actions that return streams."""

    async def count(self, to: int, size: Annotated[int, Meta(ge=0, le=10_000)] = 0) -> AsyncIterator[Any]:
        """Stream numbers without waiting."""
        for number in range(to):
            yield {"n": number, "text": "x" * size} if size else number

    async def feed(self, name: str) -> AsyncIterator[Any]:
        """Stream the pushed items."""
        feed = FEEDS.setdefault(name, Feed())
        gate, how = ALL_GATES[name], "done"
        gate.started()
        try:
            while True:
                while feed.items:
                    yield feed.items.pop(0)
                if feed.over:
                    break
                await feed.changed()
        except BaseException as error:
            how = f"{type(error).__name__} {error.code}" if isinstance(error, ServiceError) else "closed"
            raise
        finally:
            gate.ended(how)

    def push(self, name: str, items: list[Any] = [], over: bool = False) -> int:
        """Push items, or the end."""
        FEEDS.setdefault(name, Feed()).push(items, over)
        return len(items)

    async def fail(self, after: int = 0, secret: bool = False) -> AsyncIterator[Any]:
        """Fail after a number of items."""
        for number in range(after):
            yield [number]
        raise RuntimeError("a secret of the inside") if secret else NotFound("the rest")

    async def raw(self) -> AsyncIterator[Raw]:
        """Stream JSON that contains line ends."""
        yield Raw(b'{"a":\n1}')
        yield Raw(b"[1,\r\n2]")

    async def unspeakable(self) -> AsyncIterator[Any]:
        """Stream a value that JSON cannot represent."""
        yield 1
        yield object()

    async def contained(self, container: svcs.Container, request: Request) -> AsyncIterator[Any]:
        """Stream with a container and the request."""
        yield type(container).__name__
        yield request.meta


STREAMS: list[Group | Route] = [
    Group("", Streams, [
        GET("/count", Streams.count, public=True, tags=["streams"]),
        POST("/count", Streams.count),
        GET("/feed/{name}", Streams.feed),
        POST("/feed/{name}/push", Streams.push),
        GET("/stream/fail", Streams.fail),
        GET("/stream/raw", Streams.raw),
        GET("/stream/unspeakable", Streams.unspeakable),
        GET("/stream/contained", Streams.contained),
    ]),
]  # fmt: skip
