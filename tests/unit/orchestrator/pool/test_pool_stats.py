"""Tests of the statistics of a pool."""

from __future__ import annotations

import gc
from typing import Any

from tests.unit.orchestrator.pool.pool_harness import PoolTestCase
from unixsvc.orchestrator.worker.messages import SetLogLevel, WorkerReady
from unixsvc.service.spec import StatsReport


class StatsTests(PoolTestCase):
    """Reports come with the heartbeat and on request."""

    def requests(self) -> int:
        """The number of requests of all workers, also of those that have ended."""
        stats = self.pool.stats()
        return sum((each.metrics for each in stats.workers), stats.ended).all.requests

    def test_heartbeat(self) -> None:
        """Ready workers get a request for a report each second, others do not."""
        self.pool.startService()
        first, second = self.reactor.started
        first.report(WorkerReady())
        self.reactor.pump([1.0] * 3)
        self.assertEqual(first.commands, ["stats"] * 3)
        self.assertEqual(second.commands, [])

    def test_draining(self) -> None:
        """A draining worker gets the request as well: its replies count."""
        first, _ = self.run_pool()
        self.pool.scale(1)
        self.reactor.pump([1.0] * 2)
        self.assertEqual(self.reactor.started[1].commands, ["drain", "stats", "stats"])
        self.assertEqual(first.commands, ["stats"] * 2)

    def test_kept(self) -> None:
        """What a worker has counted is kept to the last reply when it is killed, without a report."""
        first, second = self.run_pool()
        first.count(3)
        second.count(4, code=500)
        self.assertEqual(self.requests(), 7)
        first.end(by=9)
        self.assertEqual(self.requests(), 7)
        self.last().report(WorkerReady())
        self.last().count(1)
        self.assertEqual(self.requests(), 8)
        self.assertEqual(self.pool.stats().ended.all.codes, {200: 3})
        self.assertEqual(self.pool.stats().exits, {"crash": 1})

    def test_health_check(self) -> None:
        """What a worker counts before it is ready is no request: it has probed itself."""
        self.pool.startService()
        for each in self.reactor.started:
            each.count(1)
        self.assertEqual(self.requests(), 0)
        self.reactor.started[0].end(code=1)
        self.assertEqual(self.requests(), 0)

    def test_latest(self) -> None:
        """A report replaces the one before it."""
        first, _ = self.run_pool()
        for count in 1, 2:
            first.report(StatsReport(connections=count))
        self.assertEqual(self.pool.stats().workers[0].status.connections, 2)

    def test_refresh(self) -> None:
        """A refresh is done when every worker has reported."""
        first, second = self.run_pool()
        done = self.pool.refresh()
        first.report(StatsReport())
        self.assertNoResult(done)
        second.report(StatsReport())
        self.successResultOf(done)

    def test_refresh_is_bounded(self) -> None:
        """A refresh waits at most a second for a worker."""
        self.run_pool()
        done = self.pool.refresh()
        self.reactor.advance(1)
        self.successResultOf(done)

    def test_refresh_cancelled(self) -> None:
        """A cancelled refresh leaves no unhandled error."""
        self.run_pool()
        done = self.pool.refresh()
        done.cancel()
        self.failureResultOf(done)
        self.live(2)
        del done
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_uptime(self) -> None:
        """The uptime is that of the worker, not of the service."""
        first, _ = self.run_pool()
        self.reactor.advance(5)
        first.end(by=9)
        self.reactor.advance(2)
        uptimes: list[Any] = [each.uptime for each in self.pool.stats().workers]
        self.assertEqual(uptimes, [2, 7])

    def test_order(self) -> None:
        """Workers are listed by slot, and the older one of a slot first."""
        first, _ = self.run_pool()
        self.pool.reload(self.spec(2))
        pids = [each.pid for each in self.pool.stats().workers]
        self.assertEqual(pids, [first.pid, self.last().pid, self.reactor.started[1].pid])

    def test_send(self) -> None:
        """A command is sent to each worker, in any phase."""
        self.pool.startService()
        first, second = self.reactor.started
        first.report(WorkerReady())
        self.pool.send(SetLogLevel("debug"))
        self.assertEqual((first.commands, second.commands), (["log"], ["log"]))
