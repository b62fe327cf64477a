"""What a worker counts, and what the orchestrator reads of it."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Caller, Grant, Peer, Request
from unixsvc.security.peer_rules import PeerRules
from unixsvc.telemetry.metrics.page import MAX_ROWS, OTHER, MetricsPage, PageWriter
from unixsvc.telemetry.metrics.service_metrics import ServiceMetrics
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot, Totals

SHOP = Caller(grant=Grant("shop"))
ANONYMOUS = Caller()


class _Asked(Caller):
    """A caller whose user the kernel knows."""

    def find_peer(self) -> Peer:
        """Ask it."""
        return Peer(uid=1000)


class CountTests(SynchronousTestCase):
    """Counting, in memory that two sides have."""

    def setUp(self) -> None:
        """Make both sides."""
        self.page = MetricsPage()
        self.addCleanup(self.page.close)
        self.metrics = ServiceMetrics(PageWriter(self.page.fileno()))

    def count(self, *codes: int, route: str = "GET /", caller: Caller = ANONYMOUS) -> None:
        """Count replies of 1 ms."""
        for code in codes:
            self.metrics.count(self.metrics.series(route), caller, code, 0.001)

    def test_nothing(self) -> None:
        """All values are zero before the first reply."""
        self.assertEqual((self.page.read(), self.metrics.snapshot()), (MetricsSnapshot(), MetricsSnapshot()))

    def test_codes(self) -> None:
        """Replies are counted by code; codes of 500 and more are errors, and codes that HTTP lacks are 0."""
        self.count(200, 200, 201, 404, 499, 500, 503, 504, 504, 299)
        found = self.page.read().all
        self.assertEqual(found.codes, {200: 2, 201: 1, 404: 1, 499: 1, 500: 1, 503: 1, 504: 2, 0: 1})
        self.assertEqual((found.requests, found.errors), (10, 4))

    def test_at_once(self) -> None:
        """The other side sees each reply at once, and both sides see the same."""
        for number in range(1, 4):
            self.count(200)
            self.assertEqual(self.page.read().all.requests, number)
            self.assertEqual(self.page.read(), self.metrics.snapshot())

    def test_probes(self) -> None:
        """Health checks are no requests; they have counters of their own, for all callers together."""
        self.count(200, route="GET /")
        self.count(200, 503, route="GET /-/ready")
        self.count(503, route="GET /-/ready", caller=SHOP)
        self.count(200, route="GET /-/ping")
        found = self.page.read()
        self.assertEqual((found.all.codes, [*found.by_route()]), ({200: 2}, ["GET /", "GET /-/ping"]))
        self.assertEqual(
            {path: each.codes for path, each in found.probes.items()}, {"/-/ready": {200: 1, 503: 2}}
        )
        twice = found + found.past()
        self.assertEqual(twice.probes["/-/ready"].codes, {200: 2, 503: 4})

    def test_calls(self) -> None:
        """Calls to other services are no requests; without a row of their own, they are not counted."""
        self.metrics.count_call("stock", 200, 0.001)
        self.metrics.count_call("stock", 503, 0.001)
        found = self.page.read()
        self.assertEqual((found.series, found.calls["stock"].codes), ({}, {200: 1, 503: 1}))
        self.assertEqual((found + found.past()).calls["stock"].requests, 4)
        for number in range(MAX_ROWS):
            self.count(200, route=f"GET /{number}")
        before = self.page.read().all.requests
        self.metrics.count_call("user", 200, 0.001)
        self.metrics.count_call("stock", 200, 0.001)
        found = self.page.read()
        self.assertEqual((found.all.requests, [*found.calls]), (before, ["stock"]))

    def test_user(self) -> None:
        """A user counts where the kernel was asked: by the rules of connections, or by an action."""
        for ask in (
            lambda caller: PeerRules((1000,), (), 1).connect(caller, None),
            lambda caller: Request("GET", "/", caller=caller).peer,
        ):
            caller = _Asked(None)
            self.count(200, caller=caller)
            ask(caller)
            self.count(500, caller=caller)
        found = self.page.read().by_caller()
        self.assertEqual(
            {name: each.codes for name, each in found.items()}, {"": {200: 2}, "uid:1000": {500: 2}}
        )

    def test_routes_and_callers(self) -> None:
        """Replies are counted by route and by caller: a token, a user, or neither."""
        user = Caller(Peer(uid=1000))
        self.count(200, caller=SHOP)
        self.count(200, 500, route="POST /item", caller=user)
        self.metrics.count(self.metrics.no_route, ANONYMOUS, 404, 0.0)
        found = self.page.read().series
        self.assertEqual(
            {(route, caller): each.codes for route, by in found.items() for caller, each in by.items()},
            {("GET /", "shop"): {200: 1}, ("POST /item", "uid:1000"): {200: 1, 500: 1}, ("", ""): {404: 1}},
        )

    def test_recount(self) -> None:
        """A reply that was counted as 200 can be given another code."""
        self.count(200, 200)
        self.metrics.recount(self.metrics.series("GET /"), ANONYMOUS, 206)
        self.metrics.recount(self.metrics.series("GET /"), ANONYMOUS, 200)
        self.assertEqual(self.page.read().all.codes, {200: 1, 206: 1})

    def test_latencies(self) -> None:
        """Latencies are counted up to the longest."""
        for seconds in (0.0, 1e-6, 5e-4, 6e-4, 99.0, 1e6):
            self.metrics.count(self.metrics.no_route, ANONYMOUS, 200, seconds)
        found = self.page.read().all
        self.assertEqual(found.requests, 6)
        self.assertApproximates(found.quantile(0.5), 5e-4, 5e-4 * 0.032)

    def test_many_callers(self) -> None:
        """Callers beyond the limit share a row of each route."""
        for uid in range(40):
            self.count(200, caller=Caller(Peer(uid=uid)))
            self.count(404, route="POST /", caller=Caller(Peer(uid=uid)))
        found = self.page.read()
        self.assertEqual((len(found.by_caller()), found.all.requests), (32, 80))
        self.assertEqual(found.series["POST /"][OTHER].codes, {404: 9})
        self.assertEqual(len(self.metrics.series("GET /")), 32)  # or a flood would take memory

    def test_many_routes(self) -> None:
        """Routes beyond the limit share one row."""
        for number in range(MAX_ROWS + 10):
            self.count(200, route=f"GET /{number}")
        found = self.page.read()
        self.assertEqual(found.all.requests, MAX_ROWS + 10)
        self.assertEqual(found.series[OTHER][OTHER].requests, 11)

    def test_long_name(self) -> None:
        """A long route is cut; two that look the same then are one."""
        for number in range(2):
            self.count(200, route=f"GET /{'é' * 200}/{number}")
        [(name, by_caller)] = self.page.read().series.items()
        self.assertTrue(name.startswith("GET /éé"))
        self.assertEqual(by_caller[""].codes, {200: 2})

    def test_wrong_tokens(self) -> None:
        """Wrong tokens are counted."""
        self.metrics.count_wrong_token()
        self.metrics.count_wrong_token()
        self.assertEqual(self.page.read().totals, Totals(wrong_tokens=2))

    def test_clear(self) -> None:
        """After a reset, earlier replies do not count, later ones do; earlier snapshots stay the same."""
        self.count(200, 500)
        self.metrics.count_wrong_token()
        before = self.page.read()
        self.metrics.clear()
        self.assertEqual((self.page.read(), before.all.requests), (MetricsSnapshot(), 2))
        self.count(200)
        self.assertEqual(self.page.read().all.codes, {200: 1})

    def test_sealed(self) -> None:
        """A worker cannot change the size of the memory: reading beyond its end would kill the other side."""
        for size in (0, 4096, 2**30):
            self.assertRaises(PermissionError, os.ftruncate, self.page.fileno(), size)

    def test_written_by_an_enemy(self) -> None:
        """Whatever a worker writes into the memory can be read; wrong numbers are its own."""
        for fill in (b"\xff", b"\x7f", b"\x80\x01"):
            size = os.fstat(self.page.fileno()).st_size
            os.pwrite(self.page.fileno(), fill * (size // len(fill)), 0)
            self.assertLessEqual(len(self.page.read().series), MAX_ROWS)
