"""The delivery of events to hooks: order, attempts, limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.hooks import Hook
from unixsvc.orchestrator.events.delivery import DeliveryFailed
from unixsvc.orchestrator.events.hooks import Hooks, pause_after
from unixsvc.orchestrator.events.log import Event
from unixsvc.telemetry.limited_logger import report_suppressed

_NOW = datetime(2026, 1, 31, tzinfo=UTC)


def event(number: int, kind: str = "worker.died", service: str = "shop") -> Event:
    """An event."""
    return Event(number, _NOW, kind, service)


class HooksTestCase(SynchronousTestCase):
    """A test with hooks whose attempts the test ends.

    :ivar attempts: the numbers of the events of all attempts, with the commands of their hooks.
    :ivar pending: the attempts that have not ended.
    """

    def setUp(self) -> None:
        """Make them."""
        self.clock = Clock()
        self.attempts: list[tuple[str, int]] = []
        self.pending: list[Deferred[None]] = []
        self.outcome: Any = Deferred
        self.hooks = Hooks(self.clock, self.make)
        self.addCleanup(report_suppressed, final=True)

    def make(self, hook: Hook) -> Any:
        """What delivers the events of a hook."""

        def deliver(event: Event) -> Deferred[None]:
            self.attempts.append((hook.command[0], event.number))
            self.pending.append(self.outcome())
            return self.pending[-1]

        return deliver

    def use(self, *names: str, **options: Any) -> None:
        """Use hooks with these commands."""
        usual: dict[str, Any] = {"events": ("worker.*",), "timeout": 10.0, "attempts": 3} | options
        self.hooks.use([Hook(command=(name,), **usual) for name in names])

    def add(self, *events: Event) -> None:
        """Add events, in one turn of the event loop."""
        for each in events:
            self.hooks.add(each)
        self.clock.advance(0)

    def numbers(self) -> list[int]:
        """The numbers of the events of all attempts so far."""
        return [number for _, number in self.attempts]


class QueueTests(HooksTestCase):
    """One hook."""

    def test_order(self) -> None:
        """Events are delivered one at a time, in their order, and not before the caller goes on."""
        self.use("a")
        self.hooks.add(event(1))
        self.assertEqual(self.attempts, [])
        self.add(event(2))
        self.assertEqual(self.numbers(), [1])
        self.pending[0].callback(None)
        self.clock.advance(0)
        self.assertEqual(self.numbers(), [1, 2])

    def test_filter(self) -> None:
        """Only events of a wanted kind and service are delivered."""
        self.use("a", events=("worker.d*", "reload.done"), services=("shop",))
        self.outcome = lambda: succeed(None)
        self.add(event(1, "worker.ready"), event(2, service="bank"), event(3), event(4, "reload.done", ""))
        self.clock.pump([0] * 5)
        self.assertEqual(self.numbers(), [3])

    def test_retried(self) -> None:
        """A failed attempt is repeated after pauses that become longer; the next event waits."""
        self.use("a")
        self.outcome = lambda: fail(DeliveryFailed("exited with code 1"))
        self.add(event(1), event(2))
        self.assertEqual(self.numbers(), [1])
        self.clock.advance(0.9)
        self.assertEqual(self.numbers(), [1])
        self.clock.advance(0.2)
        self.assertEqual(self.numbers(), [1, 1])
        self.clock.advance(1.9)
        self.assertEqual(self.numbers(), [1, 1])
        self.clock.advance(0.2)
        self.assertEqual(self.numbers(), [1, 1, 1, 2])

    def test_succeeds_later(self) -> None:
        """A success ends the attempts, and the next event has all of its own."""
        self.use("a", attempts=2)
        self.add(event(1), event(2))
        self.pending[0].errback(DeliveryFailed("x"))
        self.clock.advance(1)
        self.pending[1].callback(None)
        self.clock.advance(0)
        self.pending[2].errback(DeliveryFailed("x"))
        self.clock.advance(1)
        self.assertEqual(self.numbers(), [1, 1, 2, 2])

    def test_time_limit(self) -> None:
        """An attempt that takes too long is cancelled, and counts as failed."""
        self.use("a", attempts=2)
        self.add(event(1))
        self.clock.advance(10)
        self.assertTrue(self.pending[0].called)
        self.clock.advance(1)
        self.assertEqual(self.numbers(), [1, 1])

    def test_full(self) -> None:
        """Of too many events the oldest are dropped, but not the one that is being delivered."""
        self.use("a", queue=2)
        self.add(event(1))
        self.add(event(2), event(3), event(4))
        self.outcome = lambda: succeed(None)
        self.pending[0].errback(DeliveryFailed("x"))
        self.clock.pump([1] * 5)
        self.assertEqual(self.numbers(), [1, 1, 4])

    def test_error(self) -> None:
        """What delivers events may raise an exception: the process could not be started."""

        def refuse() -> Deferred[None]:
            raise OSError("no memory")

        self.use("a", attempts=2)
        self.outcome = refuse
        self.add(event(1))
        self.outcome = lambda: succeed(None)
        self.clock.advance(1)
        self.assertEqual(self.numbers(), [1, 1])

    def test_pauses(self) -> None:
        """Pauses double, up to a minute."""
        self.assertEqual([pause_after(each) for each in (1, 2, 3, 7, 19)], [1, 2, 4, 60, 60])


class SeveralTests(HooksTestCase):
    """Several hooks, and changes of them."""

    def test_independent(self) -> None:
        """A hook that is slow does not hold up others."""
        self.use("a", "b")
        self.add(event(1), event(2))
        self.pending[1].callback(None)
        self.clock.advance(0)
        self.assertEqual(self.attempts, [("a", 1), ("b", 1), ("b", 2)])

    def test_reload(self) -> None:
        """A hook that stays keeps its events; one that is removed is stopped."""
        self.use("a", "b")
        self.add(event(1), event(2))
        self.use("b")
        self.assertTrue(self.pending[0].called)
        self.pending[1].callback(None)
        self.clock.pump([0, 5])
        self.assertEqual(self.attempts, [("a", 1), ("b", 1), ("b", 2)])

    def test_finish(self) -> None:
        """At the end, all events are delivered; after a time the rest is dropped."""
        self.use("a")
        self.add(event(1), event(2))
        done = self.hooks.finish(2.0)
        self.pending[0].callback(None)
        self.clock.advance(0)
        self.assertNoResult(done)
        self.pending[1].callback(None)
        self.successResultOf(done)
        self.use("a")
        self.add(event(3), event(4))
        late = self.hooks.finish(2.0)
        self.clock.advance(2)
        self.successResultOf(late)
        self.assertTrue(self.pending[2].called)
        self.clock.advance(60)
        self.assertEqual(self.numbers(), [1, 2, 3])

    def test_finish_idle(self) -> None:
        """Without events, there is nothing to wait for."""
        self.use("a")
        self.successResultOf(self.hooks.finish(2.0))
