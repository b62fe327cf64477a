"""The text of a scrape."""

from __future__ import annotations

from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import provider

from tests.unit.orchestrator.exporter.test_families import LIMITS, WORKER, figures
from unixsvc.config.metrics import MetricsEndpoint
from unixsvc.orchestrator.exporter.families import ServiceLimits
from unixsvc.orchestrator.exporter.scrape import Scraper
from unixsvc.orchestrator.figures import ServiceFigures
from unixsvc.telemetry.exposition.application import AppFamily, AppSample, AppSnapshot, WorkerMetrics
from unixsvc.telemetry.exposition.model import Exemplar


class CountingClock(Clock):
    """Counts the turns of the event loop that were requested."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    def callLater(self, *args: Any, **kwargs: Any) -> IDelayedCall:
        """Count a turn."""
        self.turns += 1
        return super().callLater(*args, **kwargs)


class Source:
    """Services whose figures never change.

    :ivar read: the turns of the event loop in which figures were read.
    """

    def __init__(self, clock: CountingClock, *services: str) -> None:
        self.clock = clock
        self.services = list(services)
        self.refreshed: Deferred[None] = Deferred()
        self.read: list[int] = []
        self.metrics: dict[str, AppSnapshot] = {}

    def names(self) -> list[str]:
        """The services."""
        return list(self.services)

    async def refresh(self) -> None:
        """Wait."""
        await self.refreshed

    def figures(self, name: str) -> ServiceFigures:
        """Those of a service."""
        self.read.append(self.clock.turns)
        return figures(WORKER)

    def app_metrics(self, name: str) -> AppSnapshot:
        """Those of its application."""
        return self.metrics.get(name, AppSnapshot([]))

    def limits(self, name: str) -> ServiceLimits:
        """Those of its workers."""
        return LIMITS


class ScrapeTests(SynchronousTestCase):
    """Scrapes."""

    def setUp(self) -> None:
        """Make services."""
        self.clock = CountingClock()
        self.source = Source(self.clock, "home", "shop", "user")
        self.scraper = Scraper(self.source, self.clock, MetricsEndpoint(gauges={"stock": "max"}))

    def scrape(self, open_metrics: bool = False) -> Deferred[bytes]:
        """Start a scrape."""
        return Deferred.fromCoroutine(self.scraper.scrape(open_metrics))

    def finished(self, scrape: Deferred[bytes]) -> str:
        """The text, after as many turns of the event loop as are necessary."""
        if not self.source.refreshed.called:
            self.source.refreshed.callback(None)
        while not scrape.called:
            self.clock.advance(0)
        return self.successResultOf(scrape).decode()

    def test_turns(self) -> None:
        """Reports come first; then each service has a turn of the event loop of its own."""
        scrape = self.scrape()
        self.assertEqual(self.source.read, [])
        text = self.finished(scrape)
        self.assertEqual(self.source.read, [0, 1, 2])
        self.assertEqual(text.count("unixsvc_service_up{"), 3)

    def test_removed(self) -> None:
        """A service that a reload removes meanwhile is left out."""
        scrape = self.scrape()
        self.source.refreshed.callback(None)
        self.source.services.remove("shop")
        self.assertNotIn("shop", self.finished(scrape))

    def test_formats(self) -> None:
        """Only OpenMetrics has an end."""
        self.assertTrue(self.finished(self.scrape(True)).endswith("# EOF\n"))
        self.assertNotIn("# EOF", self.finished(self.scrape()))

    def test_application(self) -> None:
        """The metrics of applications follow, their gauges by the configured rule."""
        reports = [
            WorkerMetrics(slot, slot, [AppFamily("stock", "gauge", "S.", "", [AppSample("", {}, value)])])
            for slot, value in ((1, 5.0), (2, 3.0))
        ]
        self.source.metrics["shop"] = AppSnapshot(reports)
        self.assertIn('stock{service="shop"} 5.0\n', self.finished(self.scrape()))

    def test_exemplars(self) -> None:
        """Recorded requests are exemplars of the histogram of latencies, in OpenMetrics only."""
        [route] = list(figures(WORKER).metrics.by_route())[:1]
        recorded = {route: [Exemplar({"trace_id": "ab"}, 0.1, 1.5)], "GET /other": [Exemplar({}, 0.1)]}
        self.source.metrics["shop"] = AppSnapshot([], requests=recorded)
        text = self.finished(self.scrape(True))
        [line] = [each for each in text.splitlines() if " # " in each]
        self.assertIn('unixsvc_request_duration_seconds_bucket{service="shop",', line)
        self.assertTrue(line.endswith(' # {trace_id="ab"} 0.1 1.500'), line)
        parsed = list(text_string_to_metric_families(text))
        self.assertTrue(parsed)
        self.assertNotIn("trace_id", self.finished(self.scrape()))

    def test_warning(self) -> None:
        """A metric that cannot be served is logged once, and not at each scrape."""
        messages: list[str] = []

        @provider(ILogObserver)
        def observe(event: LogEvent) -> None:
            messages.append(str(event["names"]))

        self.scraper._log = Logger(observer=observe)
        own = AppFamily("unixsvc_workers", "gauge", "", "", [AppSample("", {}, 1)])
        self.source.metrics["shop"] = AppSnapshot([WorkerMetrics(1, 1, [own])])
        for _ in range(2):
            self.finished(self.scrape())
        self.assertEqual(messages, ["unixsvc_workers"])
