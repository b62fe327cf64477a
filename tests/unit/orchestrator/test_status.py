"""Tests of the status of services."""

from __future__ import annotations

import os

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.counted import counted, replies
from unixsvc.config.settings import ServiceSettings
from unixsvc.domain.latency_buckets import quantile
from unixsvc.orchestrator.status import PoolSnapshot, ServiceStatus, WorkerSnapshot, describe
from unixsvc.service.spec import StatsReport
from unixsvc.telemetry.metrics.snapshot import ClientStats, MetricsSnapshot, SeriesCounts


def counting(metrics: MetricsSnapshot) -> WorkerSnapshot:
    """A worker that has counted this."""
    return WorkerSnapshot(None, "ready", 1, StatsReport(), metrics)


def worker(
    phase: str = "ready", *, pid: int | None = None, uptime: float = 1.0, connections: int = 0
) -> WorkerSnapshot:
    """A worker without replies."""
    return WorkerSnapshot(pid, phase, uptime, StatsReport(connections=connections))


NOTHING = MetricsSnapshot()


def described(
    *workers: WorkerSnapshot, ended: MetricsSnapshot = NOTHING, stopping: bool = False
) -> ServiceStatus:
    """The status of a service with these workers."""
    return describe(ServiceSettings("home:app"), PoolSnapshot(list(workers), ended), stopping=stopping)


class DescribeTests(SynchronousTestCase):
    """The statistics of workers are added up."""

    def test_keys(self) -> None:
        """The keys are those that scripts read."""
        found = msgspec.to_builtins(described(worker()))
        self.assertEqual(
            " ".join(found),
            "pid uptime status class requests errors avgResponseTime workers latency problem services "
            "wrong_tokens handler listen schedules tasks probes received_bytes sent_bytes calls queued",
        )
        keys = (
            "pid status uptime requests errors connections rss generation services "
            "received_bytes sent_bytes queued"
        )
        self.assertEqual(" ".join(found["workers"][0]), keys)
        self.assertEqual(list(found["latency"]), ["p50", "p90", "p99"])
        self.assertEqual(found["class"], "home:app")

    def test_sums(self) -> None:
        """Replies of all workers count, also of those that have ended."""
        one = counting(counted(0.1, 0.3))
        two = counting(counted(0.2, code=500))
        found = described(one, two, ended=counted(0.6))
        self.assertEqual((found.requests, found.errors), (4, 1))
        self.assertApproximates(found.average, 0.3, 0.01)
        self.assertEqual([each.requests for each in found.workers], [2, 1])
        self.assertEqual([each.errors for each in found.workers], [0, 1])

    def test_latency(self) -> None:
        """Quantiles are over all replies; they are at most 5 % off."""
        found = described(counting(counted(*[0.001] * 98, 0.5, 0.5))).latency
        self.assertEqual(found.p50, found.p90)
        self.assertApproximates(found.p50, 0.001, 0.00005)
        self.assertApproximates(found.p99, 0.5, 0.025)

    def test_no_replies(self) -> None:
        """Without replies the average is 0."""
        found = described(worker())
        self.assertEqual((found.average, found.latency.p50, found.requests), (0.0, 0.0, 0))

    def test_oldest(self) -> None:
        """The pid and uptime are those of the oldest worker."""
        found = described(worker(pid=None, uptime=2), worker(pid=os.getpid(), uptime=9))
        self.assertEqual((found.pid, found.uptime), (os.getpid(), 9))

    def test_no_workers(self) -> None:
        """Without workers there is no pid, and the status is "restarting"."""
        found = described(ended=counted(0.1))
        self.assertEqual((found.pid, found.uptime, found.status), (None, 0.0, "restarting"))
        self.assertEqual(found.requests, 1)

    def test_status(self) -> None:
        """The status is that of the best worker, unless the orchestrator stops."""
        for phases, status in [
            (["starting", "ready"], "ready"),
            (["starting", "draining"], "starting"),
            (["killed"], "restarting"),
        ]:
            self.assertEqual(described(*map(worker, phases)).status, status)
            self.assertEqual(described(*map(worker, phases), stopping=True).status, "stopping")

    def test_state(self) -> None:
        """The state of the pool takes precedence over its workers, but not over a stop."""
        for state in "waiting", "stopping", "stopped", "failed":
            stats = PoolSnapshot([worker()], state=state)
            self.assertEqual(describe(ServiceSettings("home:app"), stats, stopping=False).status, state)
            self.assertEqual(describe(ServiceSettings("home:app"), stats, stopping=True).status, "stopping")

    def test_wrong_tokens(self) -> None:
        """Wrong tokens are added up, also those of workers that have ended."""
        one = counting(replies(0, wrong_tokens=2))
        self.assertEqual(described(one, one, ended=replies(0, wrong_tokens=3)).wrong_tokens, 7)

    def test_probes(self) -> None:
        """Health checks are apart from requests; those of workers that have ended count."""
        probes = MetricsSnapshot(probes={"/-/ready": SeriesCounts({503: 2}, {0: 2})})
        found = described(counting(probes), ended=probes)
        self.assertEqual((found.requests, found.errors, found.probes), (0, 0, {"/-/ready": {503: 4}}))

    def test_calls(self) -> None:
        """The time of calls is over those of all workers, also of those that have ended."""
        calls = MetricsSnapshot(calls={"stock": SeriesCounts({200: 2}, {160: 2})})
        slow = MetricsSnapshot(calls={"stock": SeriesCounts({200: 2}, {300: 2})})
        found = described(counting(calls), ended=slow)
        latency = found.calls["stock"]
        self.assertEqual(
            (found.requests, latency.p50, latency.p99), (0, quantile({160: 1}, 1), quantile({300: 1}, 1))
        )

    def test_problem(self) -> None:
        """The last problem is in the status."""
        stats = PoolSnapshot([worker()], problem="no disk")
        self.assertEqual(describe(ServiceSettings("home:app"), stats, stopping=False).problem, "no disk")
        self.assertEqual(described(worker()).problem, "")

    def test_generation(self) -> None:
        """Each worker has the generation of its spec, which shows a reload."""
        old, new = (
            WorkerSnapshot(1, "ready", 1, StatsReport(), generation=3),
            WorkerSnapshot(2, "ready", 1, StatsReport(), generation=4),
        )
        self.assertEqual([each.generation for each in described(old, new).workers], [3, 4])

    def test_services(self) -> None:
        """The clients of all workers are added up; each worker has its own."""
        one = MetricsSnapshot(services={"shop": ClientStats(open=1, refused=3)})
        two = MetricsSnapshot(
            services={"shop": ClientStats(closed=1, connections=2), "user": ClientStats(closed=1)}
        )
        found = described(counting(one), counting(two), worker())
        self.assertEqual([each.services for each in found.workers], [one.services, two.services, {}])
        shop = ClientStats(open=1, closed=1, refused=3, connections=2)
        self.assertEqual(found.services["shop"], shop)
        self.assertEqual(list(found.services), ["shop", "user"])
        self.assertEqual(described(worker()).services, {})

    def test_services_of_the_past(self) -> None:
        """Of workers that have ended, only refused calls count."""
        ended = MetricsSnapshot(services={"shop": ClientStats(open=1, refused=3, connections=1)})
        now = counting(MetricsSnapshot(services={"shop": ClientStats(closed=1, refused=1)}))
        self.assertEqual(
            described(now, ended=ended.past()).services, {"shop": ClientStats(closed=1, refused=4)}
        )

    def test_memory(self) -> None:
        """The memory is that of the process; a worker that has ended has none."""
        ours, gone = described(worker(pid=os.getpid()), worker(pid=None)).workers
        self.assertGreater(ours.rss, 2**20)
        self.assertEqual(gone.rss, 0)

    def test_just_ended(self) -> None:
        """A process that ends during the request is no error."""
        child = os.posix_spawn("/bin/true", ["true"], {})
        os.waitpid(child, 0)
        self.assertEqual(described(worker(pid=child)).workers[0].rss, 0)

    def test_connections(self) -> None:
        """Each worker has its number of connections."""
        self.assertEqual(described(worker(connections=3)).workers[0].connections, 3)
