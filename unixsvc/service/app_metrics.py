"""Reads the metrics that the application has in the default registry of prometheus-client."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

__all__ = ["LIBRARY", "read_metrics"]

LIBRARY: Final = "prometheus_client"

# What its own collectors tell about the process and Python: the orchestrator knows it of all workers.
_NOT_OF_APPLICATION: Final = ("process_", "python_")
_CREATED: Final = "_created"
_KINDS: Final = ("counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset")


class _Sample(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def value(self) -> float: ...
    @property
    def exemplar(self) -> Any: ...  # its own Exemplar, or None


class _Metric(Protocol):
    name: str
    type: str
    documentation: str
    unit: str

    @property
    def samples(self) -> Sequence[_Sample]: ...


class _Registry(Protocol):
    def collect(self) -> Iterable[_Metric]: ...


def read_metrics(registry: _Registry | None = None) -> str:
    """The metrics as JSON: a list of :class:`~unixsvc.telemetry.exposition.application.AppFamily`.

    Any collector of the application may raise any exception.

    :param registry: the default one if None; then the application must have imported the library.
    """
    metrics = (registry or sys.modules[LIBRARY].REGISTRY).collect()
    families = [_family(each) for each in metrics if not each.name.startswith(_NOT_OF_APPLICATION)]
    return msgspec.json.encode(families).decode()


def _family(metric: _Metric) -> list[object]:
    size = len(metric.name)
    samples = [
        [each.name[size:], dict(each.labels), _value(each.value), _exemplar(each.exemplar)]
        for each in metric.samples
        if each.name.startswith(metric.name) and not each.name.endswith(_CREATED)
    ]
    kind = metric.type if metric.type in _KINDS else "unknown"
    return [metric.name, kind, metric.documentation, metric.unit, samples]


def _exemplar(exemplar: Any) -> dict[str, object] | None:
    if exemplar is None:
        return None
    time = None if exemplar.timestamp is None else float(exemplar.timestamp)
    return {"labels": dict(exemplar.labels), "value": float(exemplar.value), "time": time}


def _value(value: float) -> float | str:
    """A number as JSON can have it: ``nan`` and ``inf`` are text."""
    number = float(value)
    return number if number - number == 0 else str(number)
