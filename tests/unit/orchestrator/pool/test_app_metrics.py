"""The metrics of applications, as their workers report them."""

from __future__ import annotations

import msgspec

from tests.unit.orchestrator.pool.pool_harness import PoolTestCase
from unixsvc.orchestrator.worker.messages import AppMetrics, ReportAppMetrics, RequestExamples
from unixsvc.telemetry.exposition.application import service_families


def report(value: float) -> str:
    """The report of a worker with a counter and a gauge."""
    families = [[kind, kind, "", "", [["", {}, value]]] for kind in ("counter", "gauge")]
    return msgspec.json.encode(families).decode()


class AppMetricsTests(PoolTestCase):
    """A pool with two workers."""

    def values(self) -> dict[str, float]:
        """The values by the type of the metric."""
        families = service_families("shop", self.pool.app_metrics(), {}).values()
        return {each.name: each.samples[0].value for each in families}

    def test_reports(self) -> None:
        """The last report of each worker counts; each worker gets a request for one."""
        first, second = self.run_pool()
        self.pool.send(ReportAppMetrics())
        self.assertEqual((first.commands, second.commands), (["app_metrics"], ["app_metrics"]))
        first.report(AppMetrics(report(1)))
        first.report(AppMetrics(report(2)))
        second.report(AppMetrics(report(3)))
        self.assertEqual(self.values(), {"counter": 5, "gauge": 5})

    def test_parts(self) -> None:
        """A long report has several parts."""
        first, _ = self.run_pool()
        text = report(7)
        first.report(AppMetrics(text[:9], more=True))
        self.assertEqual(self.values(), {})
        first.report(AppMetrics(text[9:]))
        self.assertEqual(self.values(), {"counter": 7, "gauge": 7})

    def test_ended(self) -> None:
        """The counters of a worker that has ended stay, also over further deaths; its gauges do not."""
        first, second = self.run_pool()
        first.report(AppMetrics(report(2)))
        second.report(AppMetrics(report(3)))
        first.end(by=9)
        self.assertEqual(self.values(), {"counter": 5, "gauge": 3})
        second.end(by=9)
        self.assertEqual(self.values(), {"counter": 5})

    def test_invalid(self) -> None:
        """An invalid report is logged, and the one before it stays."""
        first, _ = self.run_pool()
        first.report(AppMetrics(report(2)))
        for text in "[1]", "[" * 100_000:
            first.report(AppMetrics(text))
        self.assertEqual(self.values(), {"counter": 2, "gauge": 2})

    def test_examples(self) -> None:
        """Recorded requests of all workers are exemplars; those of a worker that has ended are not."""
        first, second = self.run_pool()
        first.report(RequestExamples([("GET /a", "1", "2", 0.5, 9.0)]))
        second.report(RequestExamples([("GET /a", "3", "4", 0.6, 9.0), ("GET /b", "5", "6", 0.7, 9.0)]))
        found = self.pool.app_metrics().requests
        values = {route: sorted(each.value for each in exemplars) for route, exemplars in found.items()}
        self.assertEqual(values, {"GET /a": [0.5, 0.6], "GET /b": [0.7]})
        self.assertEqual(found["GET /b"][0].labels, {"trace_id": "5", "span_id": "6"})
        second.end(by=9)
        self.assertEqual([*self.pool.app_metrics().requests], ["GET /a"])
