"""Metrics made of figures."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.openmetrics import parser
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.support.counted import counted, replies
from unixsvc.orchestrator.exporter.cpu_totals import CpuTotals
from unixsvc.orchestrator.exporter.definitions import DEFINITIONS
from unixsvc.orchestrator.exporter.families import FamilyBuilder, ServiceLimits
from unixsvc.orchestrator.figures import ProcessFigures, ServiceFigures, WorkerFigures
from unixsvc.telemetry.exposition.latency import LatencyBuckets
from unixsvc.telemetry.exposition.model import Family, Kind, Sample
from unixsvc.telemetry.exposition.text import END, family_text
from unixsvc.telemetry.metrics.snapshot import ClientStats, MetricsSnapshot, SeriesCounts, TaskStats, Totals

LIMITS = ServiceLimits(10, 20, 1024)
WORKER = WorkerFigures(1, 7, "ready", 1, 9.0, 2, 1, 3, 0, 0.5, ProcessFigures(100, 40, 1.5, 12), queued=6)
METRICS = MetricsSnapshot(
    {
        "GET /x/{id}": {
            "billing": SeriesCounts({200: 2, 500: 1}, {100: 3}),
            "uid:1000": SeriesCounts({200: 1}, {100: 1}),
        },
        "": {"": SeriesCounts({404: 1, 0: 2}, {0: 3})},
    },
    Totals(wrong_tokens=4, received=50, sent=60),
    {
        "stock": ClientStats(
            open=1, closed=2, refused=3, connections=4, calls=50, retries=6, failures=7, spent=1
        )
    },
    {"mail": TaskStats(running=1, done=2, failed=3, interrupted=4)},
    {"/-/ready": SeriesCounts({200: 8, 503: 2}, {9: 10})},
    {"stock": SeriesCounts({200: 40}, {100: 40})},
)
EXPECTED = """\
unixsvc_service_up{service="shop"} 1
unixsvc_service_status{service="shop",status="ready"} 1
unixsvc_requests_total{service="shop",method="GET",route="/x/{id}",code="200"} 3
unixsvc_requests_total{service="shop",method="GET",route="/x/{id}",code="500"} 1
unixsvc_requests_total{service="shop",method="",route="",code="other"} 2
unixsvc_requests_total{service="shop",method="",route="",code="404"} 1
unixsvc_request_errors_total{service="shop",method="GET",route="/x/{id}"} 1
unixsvc_request_duration_seconds_bucket{service="shop",method="GET",route="/x/{id}",le="1.0"} 4
unixsvc_request_duration_seconds_count{service="shop",method="GET",route="/x/{id}"} 4
unixsvc_caller_requests_total{service="shop",caller="billing"} 3
unixsvc_caller_requests_total{service="shop",caller="uid:1000"} 1
unixsvc_caller_request_errors_total{service="shop",caller="billing"} 1
unixsvc_probes_total{service="shop",path="/-/ready",code="200"} 8
unixsvc_probes_total{service="shop",path="/-/ready",code="503"} 2
unixsvc_wrong_tokens_total{service="shop"} 4
unixsvc_received_bytes_total{service="shop"} 50
unixsvc_sent_bytes_total{service="shop"} 60
unixsvc_workers{service="shop",state="ready"} 1
unixsvc_workers{service="shop",state="draining"} 0
unixsvc_worker_exits_total{service="shop",reason="crash"} 2
unixsvc_worker_exits_total{service="shop",reason="reload"} 0
unixsvc_worker_connections{service="shop",worker="1"} 2
unixsvc_worker_connections_limit{service="shop"} 20
unixsvc_worker_inflight_requests{service="shop",worker="1"} 1
unixsvc_worker_queued{service="shop",worker="1"} 6
unixsvc_worker_inflight_requests_limit{service="shop"} 10
unixsvc_worker_resident_memory_bytes{service="shop",worker="1"} 100
unixsvc_worker_shared_memory_bytes{service="shop",worker="1"} 40
unixsvc_worker_open_fds{service="shop",worker="1"} 12
unixsvc_worker_max_fds{service="shop"} 1024
unixsvc_worker_event_loop_lag_seconds{service="shop",worker="1"} 0.5
unixsvc_worker_cpu_seconds_total{service="shop"} 1.5
unixsvc_client_calls_total{service="shop",target="stock"} 50
unixsvc_client_retries_total{service="shop",target="stock"} 6
unixsvc_client_failures_total{service="shop",target="stock"} 7
unixsvc_client_refused_total{service="shop",target="stock"} 3
unixsvc_client_duration_seconds_bucket{service="shop",target="stock",le="1.0"} 40
unixsvc_client_duration_seconds_count{service="shop",target="stock"} 40
unixsvc_client_connections{service="shop",target="stock"} 4
unixsvc_client_breakers{service="shop",target="stock",state="open"} 1
unixsvc_client_breakers{service="shop",target="stock",state="closed"} 2
unixsvc_client_spent_budgets{service="shop",target="stock"} 1
unixsvc_tasks_running{service="shop",task="mail"} 1
unixsvc_tasks_total{service="shop",task="mail",result="interrupted"} 4
process_open_fds 9
process_max_fds 64
"""


def figures(
    *workers: WorkerFigures, metrics: MetricsSnapshot = METRICS, exits: dict[str, int] | None = None
) -> ServiceFigures:
    """The figures of a service."""
    return ServiceFigures("ready", metrics, exits or {}, list(workers))


def text_of(families: Iterable[Family]) -> str:
    """As OpenMetrics, which has passed the parser of prometheus-client."""
    text = "".join(family_text(each, open_metrics=True) for each in families) + END
    list(parser.text_string_to_metric_families(text))
    return text


class FamiliesTests(SynchronousTestCase):
    """The metrics of services and of the orchestrator."""

    def setUp(self) -> None:
        """Make a builder."""
        self.cpu = CpuTotals()
        self.builder = FamilyBuilder(LatencyBuckets([1.0]), self.cpu)

    def application(self, name: str, kind: Kind) -> None:
        """Add a metric of an application."""
        suffix = "_total" if kind == "counter" else ""
        family = Family(name, kind, "Help.", [Sample(suffix, f'service="s{len(name)}"', 1)])
        self.builder.add_application({(name, kind): family})

    def test_service(self) -> None:
        """Each figure of a service is there, and each of our metrics has a value."""
        self.builder.add_versions({"version": "1"})
        self.builder.add_process(ProcessFigures(1, 1, 1.0, 9), 64)
        self.builder.add_service("shop", figures(WORKER, exits={"crash": 2}), LIMITS)
        text = text_of(self.builder.families())
        lines = text.splitlines()
        self.assertEqual([each for each in EXPECTED.splitlines() if each not in lines], [])
        self.assertEqual([each.name for each in self.builder.families() if not each.samples], [])

    def test_same_slot(self) -> None:
        """While a worker replaces another one, both are one series: twice the same would be invalid."""
        old = WorkerFigures(1, 6, "draining", 1, 99.0, 1, 2, 3, 0, 0.1, None)
        self.builder.add_service("shop", figures(WORKER, old), LIMITS)
        lines = text_of(self.builder.families()).splitlines()
        self.assertIn('unixsvc_worker_inflight_requests{service="shop",worker="1"} 3', lines)
        self.assertIn('unixsvc_worker_event_loop_lag_seconds{service="shop",worker="1"} 0.5', lines)

    def test_several(self) -> None:
        """All services are in the same families."""
        for name in "home", "shop":
            self.builder.add_service(name, figures(WORKER), LIMITS)
        text = text_of(self.builder.families())
        self.assertEqual(text.count("# TYPE unixsvc_requests counter"), 1)
        self.assertEqual(text.count('unixsvc_service_up{service="'), 2)

    def test_foreign_descriptors(self) -> None:
        """Descriptors that this user may not see have no series, instead of a negative number."""
        process = ProcessFigures(1, 1, 1.0, -1)
        hidden = WorkerFigures(1, 7, "ready", 1, 9.0, 2, 1, 3, 0, 0.5, process)
        self.builder.add_service("shop", figures(hidden), ServiceLimits(1, 1))
        text = text_of(self.builder.families())
        self.assertNotIn("unixsvc_worker_open_fds", text)
        self.assertNotIn("unixsvc_worker_max_fds", text)

    def test_latencies(self) -> None:
        """Latencies are counted in the configured buckets."""
        self.builder.add_service("shop", figures(metrics=counted(0.5, 0.5, 2.0)), LIMITS)
        bucket = 'unixsvc_request_duration_seconds_bucket{service="shop",method="GET",route="/",le='
        lines = text_of(self.builder.families()).splitlines()
        self.assertEqual(
            [each for each in lines if bucket in each], [f'{bucket}"1.0"}} 2', f'{bucket}"+Inf"}} 3']
        )

    def test_no_requests(self) -> None:
        """A service without requests is there all the same."""
        self.builder.add_service("shop", figures(metrics=replies(0)), LIMITS)
        self.assertIn('unixsvc_service_up{service="shop"} 0', text_of(self.builder.families()))

    def test_application(self) -> None:
        """Metrics of applications with the same name and type are one family."""
        self.application("orders", "counter")
        self.application("orders", "counter")
        self.assertEqual(text_of(self.builder.families()).count("# TYPE orders counter"), 1)
        self.assertEqual(self.builder.refused, [])

    def test_clashes(self) -> None:
        """What would make the text invalid is refused: names of ours, and of a metric of another type."""
        self.application("unixsvc_requests", "counter")
        self.application("unixsvc_requests_total", "gauge")
        self.application("orders", "counter")
        self.application("orders", "gauge")
        self.application("orders_total", "gauge")
        self.assertEqual(
            self.builder.refused, ["unixsvc_requests", "unixsvc_requests_total", "orders", "orders_total"]
        )
        text_of(self.builder.families())

    def test_definitions(self) -> None:
        """Names follow the conventions: no suffix of a type, and units at their end."""
        for each in DEFINITIONS:
            self.assertNotRegex(each.name, r"_(total|info|count|sum|bucket)$")
            self.assertTrue(each.name.endswith(each.unit), each.name)
            self.assertRegex(each.help, r"\.$")


class CpuTests(SynchronousTestCase):
    """The CPU time of a service."""

    def test_never_back(self) -> None:
        """It goes on when workers end, and when another process gets a pid."""
        cpu = CpuTotals()
        steps = [{1: 5.0}, {1: 6.0, 2: 1.0}, {2: 2.0}, {2: 0.5}, {}]
        self.assertEqual([cpu.add("shop", each.items()) for each in steps], [5.0, 7.0, 8.0, 8.5, 8.5])

    def test_keep(self) -> None:
        """That of a service that was removed is forgotten."""
        cpu = CpuTotals()
        cpu.add("shop", [(1, 5.0)])
        cpu.keep(["home"])
        self.assertEqual(cpu.add("shop", [(1, 5.0)]), 5.0)
