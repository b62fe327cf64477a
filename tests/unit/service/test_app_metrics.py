"""The metrics of an application in one process."""

from __future__ import annotations

import math

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram, Info, Summary
from prometheus_client.registry import REGISTRY
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.service.app_metrics import read_metrics
from unixsvc.telemetry.exposition.application import decode_families


class ReadTests(SynchronousTestCase):
    """The classes of prometheus-client."""

    def test_all_types(self) -> None:
        """Each type is read with its samples, without the times of their creation."""
        registry = CollectorRegistry()
        Counter("orders", "Orders.", ["kind"], registry=registry).labels("ink").inc(
            2, exemplar={"trace_id": "ab"}
        )
        Gauge("temperature_celsius", "T.", unit="celsius", registry=registry).set(math.nan)
        Histogram("size", "S.", buckets=(1,), registry=registry).observe(0.5)
        Summary("length", "L.", registry=registry).observe(3)
        Info("release", "R.", registry=registry).info({"version": "1"})
        Enum("state", "S.", states=["on", "off"], registry=registry).state("off")
        found = {each.name: each for each in decode_families(read_metrics(registry))}
        kinds = {name: each.kind for name, each in found.items()}
        expected = {
            "orders": "counter", "temperature_celsius": "gauge", "size": "histogram", "length": "summary",
            "release": "info", "state": "stateset",
        }  # fmt: skip
        self.assertEqual(kinds, expected)
        [order] = found["orders"].samples
        self.assertEqual((order.suffix, order.labels, order.value), ("_total", {"kind": "ink"}, 2))
        self.assertIsNotNone(order.exemplar)
        self.assertTrue(math.isnan(found["temperature_celsius"].samples[0].value))
        self.assertEqual(found["temperature_celsius"].unit, "celsius")
        samples = [(each.suffix, each.labels, each.value) for each in found["size"].samples]
        self.assertEqual(samples[:2], [("_bucket", {"le": "1.0"}, 1), ("_bucket", {"le": "+Inf"}, 1)])
        self.assertEqual([each[0] for each in samples[2:]], ["_count", "_sum"])

    def test_default(self) -> None:
        """The default registry is read, without what the library tells about the process and Python."""
        counter = Counter("read_tests", "Those of this test.")
        self.addCleanup(REGISTRY.unregister, counter)
        found = [each.name for each in decode_families(read_metrics())]
        self.assertIn("read_tests", found)
        self.assertEqual([each for each in found if each.startswith(("process", "python"))], [])
