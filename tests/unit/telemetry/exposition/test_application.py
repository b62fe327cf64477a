"""The metrics of applications, added up over workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.metrics import GaugeRule
from unixsvc.telemetry.exposition.application import (
    AppFamily,
    AppSample,
    AppSnapshot,
    WorkerMetrics,
    decode_families,
    service_families,
    sum_families,
)
from unixsvc.telemetry.exposition.model import Exemplar, Kind


def metric(kind: Kind, value: float, suffix: str = "", **labels: str) -> AppFamily:
    """A metric with one value, named after its type."""
    return AppFamily(kind, kind, "Help.", "", [AppSample(suffix, labels, value)])


class ApplicationTests(SynchronousTestCase):
    """Several workers, and those that have ended."""

    def summed(
        self,
        workers: Sequence[AppFamily],
        rules: Mapping[str, GaugeRule] | None = None,
        ended: Sequence[AppFamily] = (),
    ) -> dict[str, float]:
        """The values by labels: those of workers with the slots 1, 2, …, of which the first is the newest."""
        reports = [WorkerMetrics(9 - slot, slot, [each]) for slot, each in enumerate(workers, 1)]
        [family] = service_families("shop", AppSnapshot(reports, ended), rules or {}).values()
        return {f"{each.suffix}{{{each.labels}}}": each.value for each in family.samples}

    def test_counters(self) -> None:
        """Counters are added up, with those of workers that have ended."""
        workers = [metric("counter", 2, "_total", a="x"), metric("counter", 3, "_total", a="x")]
        found = self.summed(workers, ended=[metric("counter", 5, "_total", a="x")])
        self.assertEqual(found, {'_total{service="shop",a="x"}': 10})

    def test_gauges(self) -> None:
        """Gauges follow their rule, and are those of the present workers only."""
        workers = [metric("gauge", value) for value in (5, 1, 3)]
        for rule, expected in {"sum": 9, "min": 1, "max": 5, "last": 5}.items():
            found = self.summed(workers, {"gauge": msgspec.convert(rule, GaugeRule)})
            self.assertEqual(found, {'{service="shop"}': expected}, rule)
        by_worker = self.summed(workers[:2], {"gauge": "worker"})
        self.assertEqual(by_worker, {'{service="shop",worker="1"}': 5, '{service="shop",worker="2"}': 1})

    def test_info(self) -> None:
        """Several workers with the same information are one series with the value 1."""
        found = self.summed([metric("info", 1, "_info", a="x")] * 2)
        self.assertEqual(found, {'_info{service="shop",a="x"}': 1})

    def test_own_labels(self) -> None:
        """A label that has the name of one of ours is renamed."""
        found = self.summed([metric("counter", 1, "_total", service="x")])
        self.assertEqual(found, {'_total{service="shop",exported_service="x"}': 1})

    def test_ended(self) -> None:
        """Of a worker that has ended its counters stay, without its gauges; several are added up."""
        first = sum_families([], [metric("counter", 2, "_total"), metric("gauge", 4)])
        second = sum_families(first, [metric("counter", 3, "_total"), metric("histogram", 1, "_count")])
        found = [(each.kind, each.samples[0].value) for each in second]
        self.assertEqual(found, [("counter", 5), ("histogram", 1)])

    def test_exemplar(self) -> None:
        """The newest exemplar of several workers stays."""
        samples = [
            AppSample("_total", {}, 1, Exemplar({"trace_id": str(time)}, 1, time)) for time in (3.0, 9.0, 5.0)
        ]
        workers = [WorkerMetrics(1, 1, [AppFamily("n", "counter", "", "", [each])]) for each in samples]
        [family] = service_families("shop", AppSnapshot(workers), {}).values()
        self.assertEqual(family.samples[0].exemplar, Exemplar({"trace_id": "9.0"}, 1, 9.0))

    def test_decode(self) -> None:
        """A report is decoded, also what JSON cannot express; names with other characters are left out."""
        names = ("good", "with.dot", "with{brace")
        text = msgspec.json.encode([[name, "gauge", "", "", [["", {}, "nan"]]] for name in names]).decode()
        [family] = decode_families(text)
        self.assertEqual(family.name, "good")
        self.assertNotEqual(family.samples[0].value, family.samples[0].value)
        bad_label = msgspec.json.encode([["x", "gauge", "", "", [["", {'a="1",b': ""}, 1]]]]).decode()
        self.assertEqual(decode_families(bad_label), [])
        self.assertRaises(msgspec.DecodeError, decode_families, "[1]")
