"""The live page of generated services, in a process of its own; prints ``{"port": …}`` when it listens."""

from __future__ import annotations

import json
import sys
from random import Random
from typing import Any, Final

from tests.unit.dashboard.page_requests import FakeOrchestrator, worker
from unixsvc.config.dashboard import Dashboard
from unixsvc.dashboard.feed import Feed
from unixsvc.dashboard.operators import Operators, Sessions
from unixsvc.dashboard.pages import DashboardPages
from unixsvc.dashboard.site import PageSite
from unixsvc.orchestrator.figures import ServiceFigures
from unixsvc.telemetry.metrics.snapshot import ClientStats, MetricsSnapshot, SeriesCounts

__all__ = ["SERVICES", "WORKERS", "main"]

SERVICES: Final = 50
WORKERS: Final = 16
_ROUTES: Final = 8


class _Generated(FakeOrchestrator):
    """Counts on each time that it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self._random = Random(7)  # noqa: S311  # figures, not secrets
        self._counts: dict[tuple[int, int], SeriesCounts] = {}

    async def figures(self) -> dict[str, ServiceFigures]:
        """The figures."""
        return {f"service-{number:02}": self._service(number) for number in range(SERVICES)}

    def _service(self, number: int) -> ServiceFigures:
        series = {f"GET /route-{route}/{{id}}": {"": self._route(number, route)} for route in range(_ROUTES)}
        calls = {f"service-{(number * 3 + 1) % SERVICES:02}": ClientStats(open=int(number == 5), closed=15)}
        workers = [self._worker(number, slot) for slot in range(WORKERS)]
        return ServiceFigures(
            status="ready",
            metrics=MetricsSnapshot(series, services=calls),
            exits={"crash": number},
            workers=workers,
        )

    def _route(self, number: int, route: int) -> SeriesCounts:
        draw = self._random.randrange
        new = SeriesCounts(
            {200: draw(90, 110), 500: draw(2)}, {draw(150, 250): draw(90, 110) for _ in range(20)}
        )
        found = self._counts[number, route] = self._counts.get((number, route), SeriesCounts()) + new
        return found

    def _worker(self, number: int, slot: int) -> Any:
        draw = self._random.randrange
        phase = "ready" if draw(50) else "starting"
        return worker(
            slot, 1000 + number * WORKERS + slot, phase=phase, connections=draw(100), requests=draw(10**6)
        )


def main(reactor: Any) -> None:
    """Listen, and print the port."""
    generated: Any = _Generated()  # it has what the page uses
    feed = Feed(reactor, generated.figures)
    sessions = Sessions(Operators(list), reactor.seconds)
    pages = DashboardPages(generated, reactor, feed, sessions, Dashboard())
    port = reactor.listenTCP(0, PageSite(pages, reactor), interface="127.0.0.1")
    sys.stdout.write(json.dumps({"port": port.getHost().port}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    from twisted.internet import reactor

    main(reactor)
    reactor.run()
