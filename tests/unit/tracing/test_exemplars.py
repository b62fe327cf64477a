"""Recorded requests as examples of latencies."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.tracing.recorded import WITHOUT_EXTRA
from tests.unit.tracing.test_server import HTTP, ShopCase


def span(number: int, seconds: float, end: float = 100.0) -> Any:
    """A span that has ended."""
    from opentelemetry.trace import SpanContext

    ids = SpanContext(number, number, is_remote=False)
    start, stop = round((end - seconds) * 1e9), round(end * 1e9)
    return SimpleNamespace(get_span_context=lambda: ids, start_time=start, end_time=stop)


class RecentSpansTests(SynchronousTestCase):
    skip = WITHOUT_EXTRA

    def test_newest(self) -> None:
        """The newest span of a route and a power of two of seconds stays."""
        from unixsvc.tracing.exemplars import RecentSpans

        recent = RecentSpans()
        for number, seconds in enumerate((0.3, 0.4, 0.6, 0.3), 1):
            recent.note("GET /a", span(number, seconds))
        recent.note("GET /b", span(5, 0.3, end=101.0))
        found = [(each.route, int(each.trace, 16), round(each.seconds, 6)) for each in recent.examples()]
        self.assertEqual(found, [("GET /a", 3, 0.6), ("GET /a", 4, 0.3), ("GET /b", 5, 0.3)])
        self.assertEqual(recent.examples()[-1][1:3], (f"{5:032x}", f"{5:016x}"))
        self.assertEqual(recent.examples()[-1].time, 101.0)

    def test_bounds(self) -> None:
        """Their number and the length of their routes are limited; the oldest are dropped."""
        from unixsvc.tracing.exemplars import MOST, RecentSpans

        recent = RecentSpans()
        recent.note("", span(1, 0.1))
        recent.note("GET /" + "x" * 300, span(1, 0.1))
        self.assertEqual(recent.examples(), [])
        for number in range(1, MOST + 3):
            recent.note(f"GET /{number}", span(number, 0.1))
        found = recent.examples()
        self.assertEqual((len(found), found[0].route), (MOST, "GET /3"))


class ServedTests(ShopCase):
    """Those of a service."""

    def test_socket(self) -> None:
        """Recorded requests of a route are kept with the name that the route has in the metrics."""
        tracing = self.tracing()
        self.serve(self.app, tracing=tracing)
        self.over_socket("/show/7")
        self.over_socket("/nothing")
        span = self.spans()[0]
        [example] = tracing.examples()
        self.assertEqual(example.route, "GET /show/{id:int}")
        self.assertEqual(example.trace, f"{span.context.trace_id:032x}")
        self.assertGreater(example.seconds, 0)

    def test_http(self) -> None:
        """So are those over HTTP, also for pages."""
        tracing = self.tracing()
        self.serve(self.app, http=HTTP, tracing=tracing)
        self.request("HEAD", "/show/7")
        self.request("GET", "/page/a")
        found = [each.route for each in tracing.examples()]
        self.assertEqual(found, ["GET /show/{id:int}", "GET /page/<name>"])

    def test_not_recorded(self) -> None:
        """Requests that are not recorded leave nothing."""
        tracing = self.tracing(sample=0.0)
        self.serve(self.app, http=HTTP, tracing=tracing)
        self.request("GET", "/show/7")
        self.request("GET", "/page/a")
        self.assertEqual(tracing.examples(), [])
