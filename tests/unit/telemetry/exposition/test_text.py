"""Metrics as text."""

from __future__ import annotations

import math
from typing import Any

from prometheus_client import parser
from prometheus_client.openmetrics import parser as open_metrics_parser
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.exposition.model import Exemplar, Family, Sample, label_text
from unixsvc.telemetry.exposition.text import END, family_text

HARD = 'quote " backslash \\ line\nend \udcff ü'
FAMILIES = (
    Family("orders", "counter", HARD, [Sample("_total", label_text({"kind": HARD}), 3)]),
    Family("age_seconds", "gauge", "Age.", [Sample("", "", 0.25), Sample("", 'a="b"', math.inf)], "seconds"),
    Family("build", "info", "Versions.", [Sample("_info", 'version="1"', 1)]),
    Family(
        "size_bytes",
        "histogram",
        "Sizes.",
        [
            Sample("_bucket", 'le="1.0"', 1, Exemplar({"trace_id": "ab"}, 0.5, 1700000000.25)),
            Sample("_bucket", 'le="+Inf"', 2),
            Sample("_sum", "", 3.5),
            Sample("_count", "", 2),
        ],
        "bytes",
    ),
    Family("empty", "gauge", "Nothing.", []),
)
PLAIN = r"""# HELP orders_total quote " backslash \\ line\nend ? ü
# TYPE orders_total counter
orders_total{kind="quote \" backslash \\ line\nend ? ü"} 3
# HELP age_seconds Age.
# TYPE age_seconds gauge
age_seconds 0.25
age_seconds{a="b"} +Inf
# HELP build_info Versions.
# TYPE build_info gauge
build_info{version="1"} 1
# HELP size_bytes Sizes.
# TYPE size_bytes histogram
size_bytes_bucket{le="1.0"} 1
size_bytes_bucket{le="+Inf"} 2
size_bytes_sum 3.5
size_bytes_count 2
"""
OPEN = r"""# TYPE orders counter
# HELP orders quote \" backslash \\ line\nend ? ü
orders_total{kind="quote \" backslash \\ line\nend ? ü"} 3
# TYPE age_seconds gauge
# UNIT age_seconds seconds
# HELP age_seconds Age.
age_seconds 0.25
age_seconds{a="b"} +Inf
# TYPE build info
# HELP build Versions.
build_info{version="1"} 1
# TYPE size_bytes histogram
# UNIT size_bytes bytes
# HELP size_bytes Sizes.
size_bytes_bucket{le="1.0"} 1 # {trace_id="ab"} 0.5 1700000000.250
size_bytes_bucket{le="+Inf"} 2
size_bytes_sum 3.5
size_bytes_count 2
# EOF
"""


def whole_text(*, open_metrics: bool) -> str:
    """The text of all families."""
    parts = [family_text(each, open_metrics=open_metrics) for each in FAMILIES]
    return "".join([*parts, END if open_metrics else ""])


class TextTests(SynchronousTestCase):
    """The two formats."""

    def samples_of(self, families: Any) -> dict[str, float]:
        """The samples by name and sorted labels, as a parser has read them."""
        return {
            f"{each.name}{sorted(each.labels.items())}": each.value
            for family in families
            for each in family.samples
        }

    def test_prometheus(self) -> None:
        """The Prometheus text format: names with suffixes, no units and exemplars, everything escaped."""
        self.assertEqual(whole_text(open_metrics=False), PLAIN)

    def test_open_metrics(self) -> None:
        """OpenMetrics: names without suffixes, units, exemplars, and an end."""
        self.assertEqual(whole_text(open_metrics=True), OPEN)

    def test_parsed(self) -> None:
        """The parsers of prometheus-client read the same values from both."""
        plain = self.samples_of(parser.text_string_to_metric_families(PLAIN))
        found = list(open_metrics_parser.text_string_to_metric_families(OPEN))
        self.assertEqual(self.samples_of(found), plain)
        self.assertEqual(plain[f"orders_total{[('kind', HARD.replace(chr(0xDCFF), '?'))]}"], 3)
        [exemplar] = [each.exemplar for family in found for each in family.samples if each.exemplar]
        self.assertEqual((exemplar.labels, exemplar.value), ({"trace_id": "ab"}, 0.5))

    def test_long_exemplar(self) -> None:
        """An exemplar whose labels have more than 128 characters is left out, as OpenMetrics demands."""
        for size, there in (120, True), (121, False):
            exemplar = Exemplar({"trace_id": "x" * size}, 1.0)
            family = Family("n", "counter", "N.", [Sample("_total", "", 1, exemplar)])
            self.assertEqual(" # {" in family_text(family, open_metrics=True), there)

    def test_other_types(self) -> None:
        """Types that the Prometheus text format does not have are gauges and untyped there."""
        for kind, plain in ("unknown", "untyped"), ("stateset", "gauge"), ("gaugehistogram", "gauge"):
            family = Family("n", kind, "N.", [Sample("", "", 1)])  # type: ignore[arg-type]  # mypy sees str
            self.assertIn(f"# TYPE n {plain}\n", family_text(family, open_metrics=False))
