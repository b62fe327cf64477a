"""The stream of events for a reader."""

from __future__ import annotations

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.log_feed import feed
from unixsvc.telemetry.log_query import LogBatch, LogQuery
from unixsvc.telemetry.log_record import LogRecord
from unixsvc.telemetry.log_ring import LogRing


def line(number: int, namespace: str = "shop[1]", level: str = "info") -> bytes:
    """An event of the ring."""
    return (
        msgspec.json.encode(LogRecord(float(number), level, namespace, f"event {number}", f"r{number}"))
        + b"\n"
    )


class FeedTests(SynchronousTestCase):
    """What a reader gets."""

    def setUp(self) -> None:
        """Make a ring."""
        self.ring, self.clock = LogRing(10_000), Clock()

    def read(self, query: LogQuery) -> list[int]:
        """The numbers of the events of a reader that does not follow."""
        found: list[int] = []

        async def run() -> None:
            async for batch in feed(self.ring, query, self.clock):
                found.extend(int(each.time) for each in batch.events)

        done = Deferred.fromCoroutine(run())
        for _ in range(10):
            self.clock.advance(0)
        self.successResultOf(done)
        return found

    def test_all(self) -> None:
        """All events of the ring, in order; without any, nothing."""
        self.assertEqual(self.read(LogQuery()), [])
        for number in range(20):
            self.ring.add(line(number))
        self.assertEqual(self.read(LogQuery()), [*range(20)])
        self.assertEqual(self.read(LogQuery(last=3)), [17, 18, 19])
        self.assertEqual(self.read(LogQuery(since=18.0)), [18, 19])

    def test_wanted(self) -> None:
        """Service, request and level choose events; a service is no beginning of a name."""
        self.ring.add(line(1))
        self.ring.add(line(2, "shopping[1]") + line(3, "shop", "error"), 2)
        self.assertEqual(self.read(LogQuery(service="shop")), [1, 3])
        self.assertEqual(self.read(LogQuery(request_id="r2")), [2])
        self.assertEqual(self.read(LogQuery(request_id="r")), [])
        self.assertEqual(self.read(LogQuery(level="warn")), [3])

    def test_closed(self) -> None:
        """A follower ends when the orchestrator stops: the control API waits for its readers."""
        done = Deferred.fromCoroutine(self._follow())
        self.clock.advance(1)
        self.assertNoResult(done)
        self.ring.closed = True
        self.clock.advance(1)
        self.successResultOf(done)

    async def _follow(self) -> None:
        async for _ in feed(self.ring, LogQuery(follow=True), self.clock):
            pass

    def test_follow(self) -> None:
        """A follower gets the events that come; one that does not read misses some, and learns how many."""
        events = feed(self.ring, LogQuery(follow=True), self.clock)

        def following() -> Deferred[LogBatch]:
            return Deferred.fromCoroutine(anext(events))

        self.assertEqual(self.successResultOf(following()).events, [])
        waiting = following()
        self.clock.advance(1)
        self.assertNoResult(waiting)
        self.ring.add(line(1))
        self.clock.advance(0.1)
        self.assertEqual([each.time for each in self.successResultOf(waiting).events], [1.0])
        for number in range(2, 1_002):
            self.ring.add(line(number))
        waiting = following()
        self.clock.advance(0)
        batch = self.successResultOf(waiting)
        self.assertEqual(
            (batch.missed, int(batch.events[0].time)), (1_001 - len(batch.events) - 1, batch.missed + 2)
        )
        self.successResultOf(Deferred.fromCoroutine(events.aclose()))
