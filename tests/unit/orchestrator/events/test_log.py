"""The log of events, and its routes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.events.control import EventControl
from unixsvc.orchestrator.events.log import Event, EventLog

_START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class EventsTests(SynchronousTestCase):
    """A log with a clock that the test sets."""

    def setUp(self) -> None:
        """Make the log."""
        self.now = _START
        self.log = EventLog(3, lambda: self.now)
        self.control = EventControl(self.log)

    def record(self, kind: str, service: str = "", minutes: int = 1) -> None:
        """Record an event, some minutes after the last one."""
        self.now += timedelta(minutes=minutes)
        self.log.record(kind, service)

    def kinds(self, **options: Any) -> list[str]:
        """The kinds of the events that are kept."""
        return [each.kind for each in self.control.index(**options)]

    def next_of(self, stream: Any) -> Deferred[Event]:
        """The next event of a stream."""
        return Deferred.fromCoroutine(anext(stream))

    def test_fields(self) -> None:
        """An event has a number, a time, and what the caller knows."""
        self.log.record("worker.died", "shop", pid=7, slot=2, reason="x" * 2000, signal=9)
        [event] = self.log.find()
        self.assertEqual(event, Event(1, _START, "worker.died", "shop", 7, 2, "x" * 1000, {"signal": 9}))

    def test_find(self) -> None:
        """Events are found by service and time; the oldest are dropped, and numbers go on."""
        self.record("worker.started", "shop")
        self.record("worker.started", "bank")
        self.record("worker.ready", "shop")
        self.record("orchestrator.ready")
        self.assertEqual(self.kinds(), ["worker.started", "worker.ready", "orchestrator.ready"])
        self.assertEqual(self.kinds(service="shop"), ["worker.ready"])
        self.assertEqual(self.kinds(since=_START + timedelta(minutes=4)), ["orchestrator.ready"])
        self.assertEqual([each.number for each in self.log.find()], [2, 3, 4])

    def test_unknown_kind(self) -> None:
        """A kind that no hook can name is an error."""
        self.assertRaises(LookupError, self.log.record, "worker.bored")

    def test_observers(self) -> None:
        """Observers get each event; one that fails does not disturb anything."""
        seen: list[str] = []
        self.log.observers += [lambda event: 1 / 0, lambda event: seen.append(event.kind)]
        self.record("reload.done")
        self.assertEqual(seen, ["reload.done"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_follow(self) -> None:
        """The stream has the events of the service from now on."""
        self.record("worker.started", "shop")
        stream = self.control.follow("shop")
        first = self.next_of(stream)
        self.record("worker.ready", "bank")
        self.assertNoResult(first)
        self.record("worker.ready", "shop")
        self.assertEqual(self.successResultOf(first).kind, "worker.ready")

    def test_follow_since(self) -> None:
        """With a time, it begins with the events since then, and none is repeated."""
        self.record("worker.started", "shop")
        self.record("worker.ready", "shop")
        stream = self.control.follow(since=_START + timedelta(minutes=2))
        self.assertEqual(self.successResultOf(self.next_of(stream)).kind, "worker.ready")
        following = self.next_of(stream)
        self.assertNoResult(following)
        self.record("worker.died", "shop")
        self.assertEqual(self.successResultOf(following).kind, "worker.died")

    def test_missed(self) -> None:
        """A slow reader gets the number of the events that it has missed."""
        stream = self.control.follow()
        first = self.next_of(stream)
        self.record("reload.started")
        self.successResultOf(first)
        for _ in range(5):
            self.record("worker.died", "shop")
        missed = self.successResultOf(self.next_of(stream))
        self.assertEqual(
            (missed.kind, missed.reason), ("events.missed", "2 events before this one were missed")
        )
        self.assertEqual(self.successResultOf(self.next_of(stream)).number, 4)
