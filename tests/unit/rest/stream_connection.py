"""Streams over HTTP in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from unixsvc.errors import Conflict, ServiceError
from unixsvc.routing.route import GET, Group

EVENTS = "Accept: text/event-stream"
LAST = b"0\r\n\r\n"


class Items:
    """A controller with streams.

    :ivar given: the number of items that were requested.
    :ivar more: fires when the next item is there.
    :ivar ended: the exception that ended the generator.
    """

    last: Items

    def __init__(self, clock: IReactorTime) -> None:
        Items.last = self
        self.given = 0
        self.more: Deferred[None] = Deferred()
        self.ended: BaseException | None = None

    async def some(self, n: int = 3) -> AsyncIterator[int]:
        """Yields some items at once."""
        for each in range(n):
            yield each

    async def raw(self) -> AsyncIterator[msgspec.Raw]:
        """Yields JSON that is encoded already."""
        yield msgspec.Raw(b'{\r\n"a": 1}')

    async def fail(self, n: int = 2) -> AsyncIterator[int]:
        """Yields some items, and fails."""
        for each in range(n):
            yield each
        raise Conflict("no more")

    async def crash(self) -> AsyncIterator[int]:
        """Yields one item, and raises an unexpected exception."""
        yield 1
        raise RuntimeError("the secret")

    async def late(self) -> AsyncIterator[int]:
        """Waits before each item."""
        try:
            while True:
                await self.more
                self.more = Deferred()
                self.given += 1
                yield self.given
        except ServiceError as error:
            self.ended = error
            raise

    async def endless(self) -> AsyncIterator[str]:
        """Yields long items without end."""
        try:
            while True:
                self.given += 1
                yield "x" * 1000
        except GeneratorExit as error:
            self.ended = error
            raise

    def go(self, error: Exception | None = None) -> None:
        """Let the next item come, or an error."""
        if error is None:
            self.more.callback(None)
        else:
            self.more.errback(Failure(error))


ITEMS = Group(
    "",
    Items,
    [
        GET("/some", Items.some, public=True),
        GET("/raw", Items.raw, public=True),
        GET("/fail", Items.fail, public=True),
        GET("/crash", Items.crash, public=True),
        GET("/late", Items.late, public=True),
        GET("/soon", Items.late, public=True, heartbeat=5),
        GET("/endless", Items.endless, public=True),
    ],
)


def body_of(response: bytes) -> bytes:
    """Decode a chunked body; an empty last chunk becomes a full stop."""
    rest = response.partition(b"\r\n\r\n")[2] if response.startswith(b"HTTP/") else response
    found = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        found += rest[:length] or b"."
        rest = rest[length + 2 :]
    return found


class StreamTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        """Start a gateway, and connect a client."""
        self.harness = GatewayHarness(ITEMS)
        self.site: Any = self.harness.site
        self.client = RawClient(self.site)
        self.items = Items.last

    def tearDown(self) -> None:
        """Close all generators."""
        self.harness.gateway.abort()

    @property
    def clock(self) -> Clock:
        """The clock of the gateway."""
        return self.harness.clock
