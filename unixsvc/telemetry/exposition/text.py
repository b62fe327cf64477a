"""Writes metrics in the text formats.

The Prometheus text format 0.0.4: prometheus.io/docs/instrumenting/exposition_formats. OpenMetrics 1.0:
github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from unixsvc.telemetry.exposition.model import Exemplar, Family, Sample, label_text

__all__ = ["END", "OPEN_METRICS", "PROMETHEUS_TEXT", "family_text", "number_text"]

PROMETHEUS_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
"""The media types."""

END: Final = "# EOF\n"
"""The last line of OpenMetrics."""

# How the Prometheus text format, which has fewer types, calls the others.
_PLAIN_KINDS: Final = {
    "gaugehistogram": "gauge",
    "info": "gauge",
    "stateset": "gauge",
    "unknown": "untyped",
}
# The suffixes that are parts of the names of families there.
_IN_NAME: Final = {"counter": "_total", "info": "_info"}
# Exemplars are allowed here, and their labels have at most so many characters.
_WITH_EXEMPLARS: Final = ("_total", "_bucket")
_MAX_EXEMPLAR: Final = 128
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_QUOTE: Final = {**_HELP_ESCAPES, ord('"'): r"\""}


def family_text(family: Family, *, open_metrics: bool) -> str:
    """The lines of a family; empty if it has no samples.

    :param open_metrics: whether it is OpenMetrics, or else the Prometheus text format.
    """
    if not family.samples:
        return ""
    return "".join(_open_metrics(family) if open_metrics else _prometheus(family))


def _open_metrics(family: Family) -> Iterator[str]:
    name = family.name
    yield f"# TYPE {name} {family.kind}\n"
    if family.unit:
        yield f"# UNIT {name} {family.unit}\n"
    yield f"# HELP {name} {_valid(family.help.translate(_QUOTE))}\n"
    for sample in family.samples:
        line = _line(name, sample)
        if sample.exemplar is not None and sample.suffix in _WITH_EXEMPLARS:
            line += _exemplar(sample.exemplar)
        yield line + "\n"


def _prometheus(family: Family) -> Iterator[str]:
    name = family.name + _IN_NAME.get(family.kind, "")
    yield f"# HELP {name} {_valid(family.help.translate(_HELP_ESCAPES))}\n"
    yield f"# TYPE {name} {_PLAIN_KINDS.get(family.kind, family.kind)}\n"
    for sample in family.samples:
        yield _line(family.name, sample) + "\n"


def _line(name: str, sample: Sample) -> str:
    labels = f"{{{sample.labels}}}" if sample.labels else ""
    return f"{name}{sample.suffix}{labels} {number_text(sample.value)}"


def _exemplar(exemplar: Exemplar) -> str:
    if sum(len(name) + len(value) for name, value in exemplar.labels.items()) > _MAX_EXEMPLAR:
        return ""
    time = "" if exemplar.time is None else f" {exemplar.time:.3f}"
    return f" # {{{label_text(exemplar.labels)}}} {number_text(exemplar.value)}{time}"


def number_text(value: float) -> str:
    """A number as in both formats."""
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


def _valid(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
