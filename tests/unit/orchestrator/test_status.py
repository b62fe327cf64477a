"""How services are described to a caller."""

from __future__ import annotations

import os

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.status import PoolSnapshot, ServiceStatus, WorkerSnapshot, describe
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.metrics import ClientStats, MetricsSnapshot, ServiceMetrics


def counted(*seconds: float, code: int = 200) -> MetricsSnapshot:
    """The figures of so many replies."""
    stats = ServiceMetrics()
    for each in seconds:
        stats.count(code, each)
    return stats.snapshot()


def worker(
    phase: str = "ready", *, pid: int | None = None, uptime: float = 1.0, connections: int = 0
) -> WorkerSnapshot:
    """One worker that has answered nothing."""
    return WorkerSnapshot(pid, phase, uptime, StatsReport(connections=connections))


NOTHING = MetricsSnapshot()


def described(
    *workers: WorkerSnapshot, ended: MetricsSnapshot = NOTHING, stopping: bool = False
) -> ServiceStatus:
    """A service with these workers."""
    return describe("home:app", PoolSnapshot(list(workers), ended), stopping=stopping)


class DescribeTests(SynchronousTestCase):
    """What the figures of workers come to."""

    def test_keys(self) -> None:
        """The keys are those that scripts rely on."""
        found = msgspec.to_builtins(described(worker()))
        self.assertEqual(
            " ".join(found),
            "pid uptime status class requests errors avgResponseTime workers latency problem services",
        )
        keys = "pid status uptime requests errors connections rss generation services"
        self.assertEqual(" ".join(found["workers"][0]), keys)
        self.assertEqual(list(found["latency"]), ["p50", "p90", "p99"])
        self.assertEqual(found["class"], "home:app")

    def test_sums(self) -> None:
        """Replies of all workers count, also of those that are gone."""
        one = WorkerSnapshot(None, "ready", 1, StatsReport(counted(0.1, 0.3)))
        two = WorkerSnapshot(None, "ready", 1, StatsReport(counted(0.2, code=500)))
        found = described(one, two, ended=counted(0.6))
        self.assertEqual((found.requests, found.errors), (4, 1))
        self.assertAlmostEqual(found.average, 0.3)
        self.assertEqual([each.requests for each in found.workers], [2, 1])
        self.assertEqual([each.errors for each in found.workers], [0, 1])

    def test_latency(self) -> None:
        """Shares of all replies; a bucket is at most an eighth too high."""
        found = described(
            WorkerSnapshot(None, "ready", 1, StatsReport(counted(*[0.001] * 98, 0.5, 0.5)))
        ).latency
        self.assertTrue(0.001 <= found.p50 == found.p90 <= 0.001125)
        self.assertTrue(0.5 <= found.p99 <= 0.5625)

    def test_no_replies(self) -> None:
        """Without replies there is nothing to divide by."""
        found = described(worker())
        self.assertEqual((found.average, found.latency.p50, found.requests), (0.0, 0.0, 0))

    def test_oldest(self) -> None:
        """The service's pid and uptime are those of its oldest worker."""
        found = described(worker(pid=None, uptime=2), worker(pid=os.getpid(), uptime=9))
        self.assertEqual((found.pid, found.uptime), (os.getpid(), 9))

    def test_no_workers(self) -> None:
        """While there are none, it has no pid, and is being restarted."""
        found = described(ended=counted(0.1))
        self.assertEqual((found.pid, found.uptime, found.status), (None, 0.0, "restarting"))
        self.assertEqual(found.requests, 1)

    def test_status(self) -> None:
        """A service is as well as its best worker, unless it is to stop."""
        for phases, status in [
            (["starting", "ready"], "ready"),
            (["starting", "draining"], "starting"),
            (["killed"], "restarting"),
        ]:
            self.assertEqual(described(*map(worker, phases)).status, status)
            self.assertEqual(described(*map(worker, phases), stopping=True).status, "stopping")

    def test_state(self) -> None:
        """What its pool says of it has precedence over what its workers are, but not over the end of all."""
        for state in "waiting", "stopping", "stopped", "failed":
            stats = PoolSnapshot([worker()], state=state)
            self.assertEqual(describe("home:app", stats, stopping=False).status, state)
            self.assertEqual(describe("home:app", stats, stopping=True).status, "stopping")

    def test_problem(self) -> None:
        """What last went wrong is told as it is."""
        stats = PoolSnapshot([worker()], problem="no disk")
        self.assertEqual(describe("home:app", stats, stopping=False).problem, "no disk")
        self.assertEqual(described(worker()).problem, "")

    def test_generation(self) -> None:
        """Each worker says which version it is, so that one can see a reload."""
        old, new = (
            WorkerSnapshot(1, "ready", 1, StatsReport(), 3),
            WorkerSnapshot(2, "ready", 1, StatsReport(), 4),
        )
        self.assertEqual([each.generation for each in described(old, new).workers], [3, 4])

    def test_services(self) -> None:
        """How the services do that its workers ask is added up; each worker says its own."""
        one = MetricsSnapshot(services={"shop": ClientStats(open=1, refused=3)})
        two = MetricsSnapshot(
            services={"shop": ClientStats(closed=1, connections=2), "user": ClientStats(closed=1)}
        )
        found = described(
            *(WorkerSnapshot(None, "ready", 1, StatsReport(each)) for each in (one, two)), worker()
        )
        self.assertEqual([each.services for each in found.workers], [one.services, two.services, {}])
        shop = {"open": 1, "half_open": 0, "closed": 1, "refused": 3, "connections": 2}
        self.assertEqual(msgspec.to_builtins(found.services["shop"]), shop)
        self.assertEqual(list(found.services), ["shop", "user"])
        self.assertEqual(described(worker()).services, {})

    def test_services_of_the_past(self) -> None:
        """What workers that are gone were refused counts; how it was with them does not."""
        ended = MetricsSnapshot(services={"shop": ClientStats(open=1, refused=3, connections=1)})
        now = WorkerSnapshot(
            None,
            "ready",
            1,
            StatsReport(MetricsSnapshot(services={"shop": ClientStats(closed=1, refused=1)})),
        )
        self.assertEqual(described(now, ended=ended).services, {"shop": ClientStats(closed=1, refused=4)})

    def test_memory(self) -> None:
        """It is that of the process; one that has ended takes none."""
        ours, gone = described(worker(pid=os.getpid()), worker(pid=None)).workers
        self.assertGreater(ours.rss, 2**20)
        self.assertEqual(gone.rss, 0)

    def test_just_ended(self) -> None:
        """That a process is gone before it can be looked at is no error."""
        child = os.posix_spawn("/bin/true", ["true"], {})
        os.waitpid(child, 0)
        self.assertEqual(described(worker(pid=child)).workers[0].rss, 0)

    def test_connections(self) -> None:
        """Each worker says how many clients it has."""
        self.assertEqual(described(worker(connections=3)).workers[0].connections, 3)
