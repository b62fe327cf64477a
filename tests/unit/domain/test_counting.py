"""HandleMessage counts the usual reply itself, and has all others counted: both in the same way."""

from __future__ import annotations

from math import inf
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.domain.test_handle_message import FakeDependencies
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IRouterDatasource, IRouterRepository
from unixsvc.domain.latency_buckets import LARGE, TABLE_SIZE, UNITS
from unixsvc.domain.message import Caller, Grant, Reply, Request
from unixsvc.domain.notable import NotableRequests
from unixsvc.errors import NotFound
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot


class CountingTests(SynchronousTestCase):
    """Replies with each latency, to callers with a token and without one."""

    def counted(
        self, caller: Caller, latencies: list[float], error: Exception | None = None
    ) -> MetricsSnapshot:
        """What is counted of requests with these latencies."""
        clock, metrics, around = Clock(), ServiceMetrics(), FakeDependencies()
        notable = NotableRequests()
        notable.slow_from = inf
        handle = HandleMessage(
            _Slow(clock, iter(latencies), error),
            around,
            metrics,
            around,
            max_inflight=9,
            request_timeout=30.0,
            now=clock.seconds,
            notable=notable,
        )
        for _ in latencies:
            clock.rightNow = 0.0  # so that adding to it rounds nothing
            self.assertIsInstance(handle(Request("GET", "/", caller=caller)), Reply)
        return metrics.snapshot()

    def test_same(self) -> None:
        """A latency of each branch is in the bucket in which the function for all counts it."""
        units = [0, 1, 77, TABLE_SIZE - 1, TABLE_SIZE, TABLE_SIZE + 777, LARGE - 1, LARGE, 20 * LARGE]
        latencies = [(each + 0.5) / UNITS for each in units]
        for error, code in (None, 200), (NotFound(), 404):
            for caller in Caller(), Caller(grant=Grant("shop")):
                reference = ServiceMetrics()
                for each in latencies:
                    reference.count(reference.no_route, caller, code, each)
                self.assertEqual(self.counted(caller, latencies, error), reference.snapshot())


@implementer(IRouterRepository, IRouterDatasource)
class _Slow:
    """A repository and datasource whose action takes the next of some times."""

    def __init__(self, clock: Clock, latencies: Any, error: Exception | None) -> None:
        self._clock, self._latencies, self._error = clock, latencies, error

    def datasource_for(self, request: Request) -> Any:
        """Return this datasource."""
        return self

    def handle(self, request: Request) -> Reply:
        """Reply after the next time."""
        self._clock.advance(next(self._latencies))
        if self._error is not None:
            raise self._error
        return Reply()
