"""Rows from two samples."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.cli.top.samples import counts, sample, service, worker
from unixsvc.cli.top.rows import ServiceRows, between
from unixsvc.cli.top.samples import Sample


class RowsTests(SynchronousTestCase):
    def rows(self, before: Sample | None, now: Sample) -> ServiceRows:
        """The rows of the only service."""
        [found] = between(before, now)
        return found

    def test_rates(self) -> None:
        """Rates and latencies are those of what was counted between the samples, not of all before."""
        before = sample(10.0, shop=service({"GET /a": counts({500: 100}, 50)}, worker(requests=100, cpu=7)))
        now = service({"GET /a": counts({500: 100, 2: 98, 40: 2}, 54)}, worker(requests=200, cpu=8))
        rows = self.rows(before, sample(12.0, shop=now))
        for row in (rows.service, *rows.routes):
            figures = row.figures
            self.assertEqual((figures.requests, figures.errors), (200, 54))
            self.assertEqual((figures.request_rate, figures.error_rate), (50.0, 2.0))
            assert figures.p50 is not None and figures.p99 is not None
            self.assertTrue(0.0019 < figures.p50 < 0.0021, figures)
            self.assertTrue(0.038 < figures.p99 < 0.042, figures)
        [one] = rows.workers
        self.assertEqual(
            (one.figures.request_rate, one.figures.error_rate, one.figures.cpu), (50.0, 5.0, 0.5)
        )
        self.assertEqual(rows.service.figures.cpu, 0.5)

    def test_first_sample(self) -> None:
        """Without an earlier sample, a service has totals and no rates; so has a new one."""
        now = sample(1.0, shop=service({"GET /a": counts({5: 10})}, worker(requests=10)))
        for before in (None, sample(0.0)):
            rows = self.rows(before, now)
            for row in (rows.service, *rows.workers, *rows.routes):
                figures = row.figures
                self.assertEqual(figures.requests, 10)
                self.assertEqual((figures.request_rate, figures.error_rate, figures.cpu), (None,) * 3)

    def test_no_requests(self) -> None:
        """Where nothing was requested, there is no latency, also not that of earlier requests."""
        each = service({"GET /a": counts({5: 10})}, worker())
        rows = self.rows(sample(0.0, shop=each), sample(1.0, shop=each))
        self.assertEqual(rows.service.figures.request_rate, 0.0)
        self.assertEqual((rows.service.figures.p50, rows.routes[0].figures.p99), (None, None))

    def test_new_worker(self) -> None:
        """What a new worker did was done since its start; its predecessor takes nothing from it."""
        before = sample(0.0, shop=service({}, worker(requests=1000, cpu=90)))
        now = sample(4.0, shop=service({}, worker(pid=7002, requests=20, cpu=1, uptime=2.0)))
        [one] = self.rows(before, now).workers
        self.assertEqual((one.figures.request_rate, one.figures.cpu), (10.0, 0.5))
        self.assertEqual((one.name, one.slot, one.pid), ("[1] 7002", 1, 7002))

    def test_orchestrator_restarted(self) -> None:
        """Counters that have begun again make no rate negative."""
        before = sample(0.0, shop=service({"GET /a": counts({5: 900}, 9)}, worker(requests=900)))
        now = sample(2.0, shop=service({"GET /a": counts({5: 10}, 2)}, worker(requests=10)))
        rows = self.rows(before, now)
        self.assertEqual((rows.service.figures.request_rate, rows.service.figures.error_rate), (5.0, 1.0))
        self.assertEqual(rows.workers[0].figures.request_rate, 0.0)

    def test_sums(self) -> None:
        """A service has the sums of its workers, the worst lag, and the exits that are failures."""
        workers = worker(lag=0.2), worker(2, None, "restarting", uptime=1.0)
        now = service({}, *workers, exits={"crash": 2, "start": 2, "watchdog": 1, "reload": 3, "stop": 7})
        rows = self.rows(None, sample(1.0, shop=now))
        figures = rows.service.figures
        self.assertEqual((figures.inflight, figures.connections, figures.memory), (4, 6, 40 * 2**20))
        self.assertEqual((figures.restarts, figures.lag, figures.uptime), (5, 0.2, 100.0))
        dead = rows.workers[1]
        self.assertEqual((dead.label, dead.figures.memory), ("[2] restarting", None))

    def test_no_workers(self) -> None:
        """A stopped service has a row."""
        rows = self.rows(None, sample(1.0, shop=service({}, status="stopped")))
        self.assertEqual((rows.service.label, rows.service.figures.lag), ("shop stopped", None))

    def test_no_route(self) -> None:
        """Requests without a route have a row with a name."""
        now = sample(1.0, shop=service({"": counts({1: 1})}))
        self.assertEqual([each.name for each in self.rows(None, now).routes], ["(no route)"])
