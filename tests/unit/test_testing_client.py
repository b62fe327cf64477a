"""The real client, connected to a service in memory."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.test_testing import _APP
from unixsvc import Client, DeadlineExceeded, NotFound, Unauthorized, Unavailable
from unixsvc.testing import MemoryService


class MemoryClientTests(SynchronousTestCase):
    """It behaves as over a socket."""

    def setUp(self) -> None:
        """Connect the two."""
        self.service = MemoryService(_APP)
        self.client = self.service.client()

    def test_kind(self) -> None:
        """It is a real client."""
        self.assertIsInstance(self.client, Client)

    def test_calls(self) -> None:
        """Results arrive at once, decoded as the given type; errors are typed."""
        self.assertEqual(self.successResultOf(self.client.get("/thing/7")), 7)
        self.assertEqual(self.successResultOf(self.client.call("GET", "/thing/7", type=int)), 7)
        self.assertEqual(
            self.failureResultOf(self.client.get("/thing/10"), NotFound).value.detail, "no thing 10"
        )
        stats = self.client.stats()
        self.assertEqual((stats["open"], stats["refused"], stats["connections"]), (False, 0, 1))

    def test_token(self) -> None:
        """It sends the token of the service, or none."""
        stranger = MemoryService(_APP, token=None).client()
        self.failureResultOf(stranger.get("/thing/7"), Unauthorized)

    def test_time(self) -> None:
        """It uses the clock of the service, for actions and for timeouts."""
        waiting = self.client.post("/thing/wait", seconds=2)
        late = self.client.call("POST", "/thing/wait", {"seconds": 2}, timeout=1.0)
        self.service.clock.advance(1)
        self.failureResultOf(late, DeadlineExceeded)
        self.assertNoResult(waiting)
        self.service.clock.advance(1)
        self.assertEqual(self.successResultOf(waiting), "done")

    def test_stream(self) -> None:
        """A stream is read past its window, up to its error."""
        items: list[Any] = []

        async def read() -> None:
            async for each in self.client.stream("GET", "/thing/count", {"to": 200}):
                items.append(each)

        reading = Deferred.fromCoroutine(read())
        for _ in range(20):
            self.service.clock.advance(0)
        self.failureResultOf(reading, NotFound)
        self.assertEqual(items, list(range(200)))

    def test_closed(self) -> None:
        """After it was closed, pending calls and new calls fail."""
        waiting = self.client.post("/thing/wait", seconds=2)
        self.client.close()
        self.failureResultOf(waiting, Unavailable)
        self.failureResultOf(self.client.get("/thing/7"), Unavailable)
