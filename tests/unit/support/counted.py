"""Metrics of replies."""

from __future__ import annotations

from unixsvc.domain.message import Caller
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot, SeriesCounts, Totals

__all__ = ["counted", "replies"]


def replies(number: int, code: int = 200, *, route: str = "GET /", wrong_tokens: int = 0) -> MetricsSnapshot:
    """The metrics of some replies that took no time."""
    series = {route: {"": SeriesCounts({code: number}, {0: number})}} if number else {}
    return MetricsSnapshot(series, Totals(wrong_tokens))


def counted(*seconds: float, code: int = 200) -> MetricsSnapshot:
    """The metrics of replies that took some time, as a worker counts them."""
    metrics = ServiceMetrics()
    for each in seconds:
        metrics.count(metrics.series("GET /"), Caller(), code, each)
    return metrics.snapshot()
