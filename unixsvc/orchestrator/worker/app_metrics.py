"""Reports the metrics of the application of this worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from unixsvc.orchestrator.worker.inspection import PART
from unixsvc.orchestrator.worker.messages import AppMetrics
from unixsvc.service.app_metrics import read_metrics
from unixsvc.telemetry.limited_logger import LimitedLogger

__all__ = ["report_metrics"]

_log: Final = LimitedLogger(__name__)


def report_metrics(report: Callable[[AppMetrics], object]) -> None:
    """Report them, unless one of the collectors of the application fails: then the last report stays valid.

    :param report: called with each part.
    """
    try:
        text = read_metrics()
    except Exception as error:  # a collector of the application may raise anything
        _log.failure("the metrics of the application cannot be read", error)
        return
    for at in range(0, len(text), PART):
        report(AppMetrics(text[at : at + PART], more=at + PART < len(text)))
