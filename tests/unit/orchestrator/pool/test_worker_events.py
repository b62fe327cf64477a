"""The events of workers."""

from __future__ import annotations

from typing import Any

from tests.unit.orchestrator.pool.pool_harness import PoolTestCase
from unixsvc.orchestrator.pool.model import Recycling
from unixsvc.orchestrator.pool.worker_events import WorkerEvents, breaker_changes
from unixsvc.orchestrator.worker.messages import WorkerDraining, WorkerFailed, WorkerReady
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.metrics.snapshot import ClientStats


class WorkerEventsTests(PoolTestCase):
    """A pool with two workers; its events are recorded."""

    def setUp(self) -> None:
        """Record events."""
        super().setUp()
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.pool._events = WorkerEvents("home", self.record)

    def record(self, kind: str, service: str = "", **fields: Any) -> None:
        """Record an event."""
        self.assertEqual(service, "home")
        self.events.append((kind, fields))

    def kinds(self) -> list[str]:
        """The kinds of the events since the last call."""
        kinds = [kind for kind, _ in self.events]
        self.last_fields = self.events[-1][1] if self.events else {}
        self.events.clear()
        return kinds

    def test_start(self) -> None:
        """A worker is started, then ready."""
        self.pool.startService()
        self.assertEqual(self.kinds(), ["worker.started"] * 2)
        self.reactor.started[0].report(WorkerReady())
        self.assertEqual(self.kinds(), ["worker.ready"])
        self.assertEqual(self.last_fields, {"pid": 1000, "slot": 1, "reason": "", "generation": 1})

    def test_killed(self) -> None:
        """A death has the signal, and another worker is started."""
        first, _ = self.run_pool()
        self.kinds()
        first.end(by=9)
        kind, fields = self.events[0]
        self.assertEqual((kind, fields["signal"], fields["pid"]), ("worker.died", 9, 1000))
        self.assertEqual(fields["reason"], "was killed by signal 9")
        self.reactor.advance(1)
        self.assertEqual(self.kinds(), ["worker.died", "worker.started"])

    def test_exit_code(self) -> None:
        """Or the exit code and the cause."""
        first, _ = self.run_pool()
        self.kinds()
        first.report(WorkerFailed("no disk"))
        first.end(code=3)
        _, fields = self.events[0]
        self.assertEqual((fields["exit_code"], fields["reason"]), (3, "exited with code 3: no disk"))

    def test_watchdog(self) -> None:
        """A worker that the watchdog kills says so."""
        first, _ = self.run_pool()
        self.live(self.pool._rollout.spec.policy.watchdog + 3, silent=[first])
        self.kinds()
        self.assertIn("QUIT", first.signals)
        first.end(by=9)
        _, fields = self.events[0]
        self.assertEqual(fields["killed_for"], "watchdog")
        self.assertEqual(fields["reason"], "was killed by signal 9 (watchdog)")

    def test_asked(self) -> None:
        """A worker that was asked to exit has ended; one that had to be killed has died."""
        first, second = self.run_pool()
        self.kinds()
        self.pool.scale(1)
        second.report(WorkerDraining())
        second.end()
        self.assertEqual(self.kinds(), ["worker.ended"])
        self.pool.abort()
        first.end(by=9)
        self.assertEqual(self.kinds(), ["worker.died"])
        self.assertEqual(self.last_fields["killed_for"], "abort")

    def test_signal(self) -> None:
        """A worker that drains by itself has received a signal."""
        first, _ = self.run_pool()
        self.kinds()
        first.report(WorkerDraining())
        self.assertEqual(self.kinds()[0], "worker.draining")

    def test_recycled(self) -> None:
        """The reason why a worker is recycled is given."""
        self.make_pool(1, recycling=Recycling(max_memory=10))
        self.pool._events = WorkerEvents("home", self.record)
        self.pool.startService()
        process = self.reactor.started[-1]
        process.report(WorkerReady())
        self.kinds()
        process.report(StatsReport(memory=12))
        kind, fields = self.events[0]
        self.assertEqual(kind, "worker.recycled")
        self.assertIn("max_memory", fields["reason"])

    def test_failed(self) -> None:
        """A service that cannot start has failed."""
        ready = self.start_failing()
        self.assertIn("service.failed", self.kinds())
        self.failureResultOf(ready)

    def start_failing(self) -> Any:
        """Start the pool with a worker that cannot start."""
        self.pool.startService()
        ready = self.pool.when_ready()
        self.reactor.started[0].report(WorkerFailed("no disk"))
        self.reactor.started[0].end(code=3)
        return ready

    def report(self, process: Any, **states: ClientStats) -> list[str]:
        """Report the states of clients; the kinds of the events."""
        process.report(StatsReport(services=states))
        return self.kinds()

    def test_breakers(self) -> None:
        """Each change of a circuit breaker is an event, of one worker; what stays as it is, is none."""
        first, second = self.run_pool()
        self.kinds()
        is_open, half, closed = ClientStats(open=1), ClientStats(half_open=1), ClientStats(closed=1)
        self.assertEqual(self.report(first, bank=closed), [])
        self.assertEqual(self.report(first, bank=is_open), ["breaker.open"])
        self.assertEqual(self.last_fields["to"], "bank")
        self.assertEqual(self.report(first, bank=is_open), [])
        self.assertEqual(self.report(second, bank=is_open), ["breaker.open"])
        self.assertEqual(self.report(first, bank=half), ["breaker.half_open"])
        self.assertEqual(self.report(first, bank=closed), ["breaker.closed"])

    def test_changes(self) -> None:
        """Several may change at once."""
        found = breaker_changes({"a": "open"}, {"a": ClientStats(closed=1), "b": ClientStats(open=1)})
        self.assertEqual(found, [("a", "closed"), ("b", "open")])
