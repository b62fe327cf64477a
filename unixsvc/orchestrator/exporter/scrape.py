"""Makes the text of one scrape out of the figures of all services, a service at a time."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Awaitable
from typing import Final, Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

import twisted
from unixsvc.config.metrics import MetricsEndpoint
from unixsvc.orchestrator.exporter.cpu_totals import CpuTotals
from unixsvc.orchestrator.exporter.families import FamilyBuilder, ServiceLimits
from unixsvc.orchestrator.figures import ServiceFigures, process_figures
from unixsvc.orchestrator.worker.messages import installed_version
from unixsvc.telemetry.exposition.application import AppSnapshot, service_families
from unixsvc.telemetry.exposition.latency import LatencyBuckets
from unixsvc.telemetry.exposition.text import END, family_text

__all__ = ["FigureSource", "Scraper", "open_files_limit"]

# The text of so many samples takes about a millisecond.
_MANY: Final = 1000

_WARN: Final = "metrics with these names are not served, as another one has the name already: {names}"


class FigureSource(Protocol):
    """Knows the figures of all services."""

    def names(self) -> list[str]:
        """The services."""

    async def refresh(self) -> None:
        """Request reports from all workers; done when they are there, or after about a second."""

    def figures(self, name: str) -> ServiceFigures:
        """The figures of a service."""

    def app_metrics(self, name: str) -> AppSnapshot:
        """The metrics of the application of a service."""

    def limits(self, name: str) -> ServiceLimits:
        """The limits of each worker of a service."""


class Scraper:
    """Answers scrapes.

    :ivar settings: the buckets and the rules of gauges.
    """

    def __init__(self, source: FigureSource, reactor: IReactorTime, settings: MetricsEndpoint) -> None:
        self._source = source
        self._reactor = reactor
        self.settings = settings
        self._cpu = CpuTotals()
        self._refused: set[str] = set()
        self._log = Logger(namespace="metrics")
        self._versions = {
            "version": installed_version(),
            "python": platform.python_version(),
            "twisted": twisted.__version__,
        }

    async def scrape(self, open_metrics: bool) -> bytes:
        """The metrics as text.

        Between two services the event loop does what else there is to do: reading the figures of one service
        with 16 workers takes milliseconds.

        :param open_metrics: whether it is OpenMetrics, or else the Prometheus text format.
        """
        await self._source.refresh()
        builder = FamilyBuilder(LatencyBuckets(self.settings.buckets), self._cpu)
        self._cpu.keep(self._source.names())
        builder.add_versions(self._versions)
        process = process_figures(os.getpid())
        if process is not None:
            builder.add_process(process, open_files_limit())
        for name in self._source.names():
            if name in self._source.names():  # it may have been removed meanwhile
                self._add(builder, name)
            await self._pause()
        self._warn(builder.refused)
        parts = []
        for family in builder.families():
            parts.append(family_text(family, open_metrics=open_metrics).encode())
            if len(family.samples) > _MANY:
                await self._pause()
        return b"".join([*parts, END.encode() if open_metrics else b""])

    def _add(self, builder: FamilyBuilder, name: str) -> None:
        application = self._source.app_metrics(name)
        figures, limits = self._source.figures(name), self._source.limits(name)
        builder.add_service(name, figures, limits, application.requests)
        if application.workers or application.ended:
            builder.add_application(service_families(name, application, self.settings.gauges))

    def _pause(self) -> Awaitable[None]:
        """Let the event loop do what else there is to do."""
        return deferLater(self._reactor, 0)

    def _warn(self, refused: list[str]) -> None:
        new = set(refused) - self._refused
        if new:
            self._refused |= new
            self._log.warn(_WARN, names=", ".join(sorted(new)))


def open_files_limit() -> int | None:
    """The limit of open files of this process, which its workers inherit; None for no limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit
