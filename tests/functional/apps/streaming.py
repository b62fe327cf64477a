"""Streams of all kinds, and their outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc import GET, App, Group, NotFound, Request

_TEXT = "x" * 100


class Streams:
    """Counts what its streams have done.

    :ivar given: how many items the last one has given.
    :ivar ended: how the last one has ended.
    """

    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor
        self.given = 0
        self.ended = ""

    async def count(self, to: int) -> AsyncIterator[dict[str, int | str]]:
        """Yield items without waiting."""
        self.given, self.ended = 0, ""
        try:
            for number in range(to):
                self.given += 1
                yield {"number": number, "text": _TEXT}
            self.ended = "done"
        finally:
            self.ended = self.ended or "stopped"

    async def tick(self, seconds: float = 0.01) -> AsyncIterator[int]:
        """Yield an item now and then, forever."""
        self.given, self.ended = 0, ""
        try:
            while True:
                await deferLater(self._reactor, seconds)
                self.given += 1
                yield self.given
        finally:
            self.ended = "stopped"

    async def fail(self, secret: bool = False) -> AsyncIterator[int]:
        """Yield an item, and fail."""
        yield 1
        raise RuntimeError("the secret of the inside") if secret else NotFound("the rest")

    async def named(
        self, request: Request, items: int = 1
    ) -> AsyncIterator[tuple[dict[str, str], float | None]]:
        """Yield the request id and the timeout."""
        for _ in range(items):
            yield request.meta, request.timeout

    def last_stream(self) -> dict[str, int | str]:
        """The state of the last stream."""
        return {"given": self.given, "ended": self.ended}


app = App(
    [
        Group(
            "",
            Streams,
            [
                GET("/count", Streams.count),
                GET("/tick", Streams.tick),
                GET("/fail", Streams.fail),
                GET("/named", Streams.named),
                GET("/seen", Streams.last_stream),
            ],
        )
    ]
)
