"""The slowest and the failed requests."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.message import Caller, Grant, Peer, Request
from unixsvc.domain.notable import NotableRequests, caller_of


class NotableTests(SynchronousTestCase):
    """A record with a clock that the test sets."""

    def setUp(self) -> None:
        """Make the record."""
        self.now = 1000.0
        self.notable = NotableRequests(lambda: self.now)

    def note(self, seconds: float, code: int = 200, *, lasting: bool = False) -> None:
        """Note a request if it is notable; its path has the time."""
        if seconds >= self.notable.slow_from or code >= 500:
            request = Request("GET", f"/{seconds:g}", caller=Caller(Peer(7, 7, 1)))
            self.notable.note(request, "GET /{n}", code, seconds, lasting=lasting)

    def slowest(self) -> list[float]:
        """The times of the slowest."""
        return [each.seconds for each in self.notable.slowest()]

    def test_slowest(self) -> None:
        """The 20 slowest are kept, and only a slower one is notable then."""
        for each in (*range(30), *range(30)):
            self.note(each)
        self.assertEqual(self.slowest(), [float(each // 2) for each in range(59, 39, -1)])
        self.assertEqual(self.notable.slow_from, 20.0)

    def test_trace(self) -> None:
        """A request has the id of its trace if that is recorded: there is nothing to look at otherwise."""
        for flags in ("01", "00", "a-bad-value"):
            traceparent = f"00-{7:032x}-{8:016x}-{flags}"
            self.notable.note(Request("GET", "/", meta={"traceparent": traceparent}), "GET /", 500, 0.1)
        self.assertEqual([each.trace_id for each in self.notable.failed()], ["", "", f"{7:032x}"])

    def test_minutes(self) -> None:
        """Each minute has its slowest; those of before the last five minutes are forgotten."""
        for _ in range(20):
            self.note(9)
        self.now += 61
        self.notable.check_time()
        self.note(1)
        self.assertEqual(self.slowest(), [9.0] * 20)
        self.assertEqual(self.notable.slow_from, 0.0)
        self.now += 240
        self.assertEqual(self.slowest(), [1.0])
        self.now += 3600
        self.assertEqual(self.slowest(), [])
        self.note(2)
        self.now += 59
        self.assertEqual(self.slowest(), [2.0])

    def test_failed(self) -> None:
        """The 20 that have failed last are kept for five minutes, the latest first."""
        for each in range(25):
            self.note(each / 1000, 500)
            self.now += 1
        failed = self.notable.failed()
        self.assertEqual([each.path for each in failed[:2]], ["/0.024", "/0.023"])
        self.assertEqual((len(failed), failed[0].code, failed[0].route), (20, 500, "GET /{n}"))
        self.now += 290
        self.assertEqual(len(self.notable.failed()), 10)

    def test_lasting(self) -> None:
        """A stream is not slow, but may have failed."""
        self.note(500, 503, lasting=True)
        self.assertEqual((self.slowest(), len(self.notable.failed())), ([], 1))

    def test_probes(self) -> None:
        """A health check is neither slow nor failed, however long and badly it ends."""
        self.notable.note(Request("GET", "/-/ready"), "GET /-/ready", 503, 2.0)
        self.assertEqual((self.slowest(), self.notable.failed()), ([], []))

    def test_clear(self) -> None:
        """Everything can be forgotten."""
        self.note(1, 500)
        self.notable.clear()
        self.assertEqual((self.slowest(), self.notable.failed()), ([], []))

    def test_caller(self) -> None:
        """The caller is a named token, or else the user of the process."""
        named, shared = Grant("cron"), Grant("default")
        for grant, expected in ((named, "token:cron"), (shared, "uid:7"), (None, "uid:7")):
            request = Request("GET", "/", caller=Caller(Peer(7, 7, 1), grant=grant))
            self.assertEqual(caller_of(request), expected)
