"""Answers of several workers are put together."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from msgspec import Raw
from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from unixsvc.domain.notable import NotedRequest
from unixsvc.errors import Conflict, NotFound
from unixsvc.orchestrator.inspection.inspector import Inspector, find_id
from unixsvc.orchestrator.inspection.interfaces import IInspector, SilentWorker
from unixsvc.orchestrator.pool.questions import Finding
from unixsvc.service.inspection.model import Cancellation, Profile, RequestInFlight


class FakePool:
    """Gives the same answers to each question of a topic.

    :ivar asked: the topics and their options, in order.
    """

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[tuple[str, Any]] = []

    def inspect(
        self, topic: str, options: Any, seconds: float, pid: int | None = None
    ) -> Deferred[list[Finding]]:
        """Answer."""
        self.asked.append((topic, options))
        findings = [
            each if isinstance(each, Finding) else Finding(10 + at, 1 + at, Raw(msgspec.json.encode(each)))
            for at, each in enumerate(self._answers[topic])
        ]
        return succeed(findings)


def request(id: str, age: float) -> RequestInFlight:
    """A request in flight."""
    return RequestInFlight(id, "call", "GET", "/", age=age)


class InspectorTests(SynchronousTestCase):
    """Two services."""

    def setUp(self) -> None:
        """The services."""
        silent = Finding(11, 2, problem="no answer within 1 s")
        first = [[request("abc", 1.0), request("abe", 3.0)], silent]
        self.shop = FakePool(requests=first, cancel=[Cancellation(1), silent])
        self.bank = FakePool(requests=[[request("abc", 2.0)]], cancel=[Cancellation(2, 1)])
        self.vault = FakePool(requests=[[request("x", 2.0)]], cancel=[Cancellation(0, 1)])
        self.pools = {"shop": self.shop, "bank": self.bank}
        self.inspector = Inspector(cast(Any, self.find))

    def find(self, name: str) -> dict[str, FakePool]:
        """Some of them."""
        return {name: self.pools[name]} if name else self.pools

    def result(self, coroutine: Any) -> Any:
        """The result of a coroutine."""
        return self.successResultOf(Deferred.fromCoroutine(coroutine))

    def test_interface(self) -> None:
        """It provides its interface."""
        self.assertTrue(verifyObject(IInspector, self.inspector))

    def test_requests(self) -> None:
        """The oldest requests come first, with their workers; workers without an answer are named."""
        listed = self.result(self.inspector.requests())
        found = [(each.id, each.service, each.pid) for each in listed.requests]
        self.assertEqual(found, [("abe", "shop", 10), ("abc", "bank", 10), ("abc", "shop", 10)])
        self.assertEqual(listed.silent, [SilentWorker("shop", 11, "no answer within 1 s")])

    def test_ended(self) -> None:
        """The slowest of all workers come first; of those that have failed, the latest."""
        quick, slow = (
            NotedRequest(name, 9.0 - time, time, 500, "GET", "/") for name, time in (("a", 1.0), ("b", 2.0))
        )
        self.shop._answers["slowest"] = self.shop._answers["failed"] = [[quick]]
        self.bank._answers["slowest"] = self.bank._answers["failed"] = [[slow]]
        slowest, failed = (self.result(self.inspector.ended(each)) for each in ("slowest", "failed"))
        self.assertEqual(
            [(each.id, each.service) for each in slowest.requests], [("b", "bank"), ("a", "shop")]
        )
        self.assertEqual([each.id for each in failed.requests], ["a", "b"])

    def test_profile(self) -> None:
        """The profiles of several workers are added up; workers without one are named."""
        silent = Finding(12, 3, problem="no answer within 11 s")
        profiles = [Profile(1.0, 100, 0.01, {"a;b": 1.0, "a": 0.5}), Profile(1.0, 99, 0.02, {"a;b": 2.0})]
        self.shop._answers["profile"] = [*profiles, silent]
        found = self.result(self.inspector.profile("shop", 1.0))
        self.assertEqual((found.stacks, found.pids), ({"a;b": 3.0, "a": 0.5}, [10, 11]))
        self.assertAlmostEqual(found.overhead, 0.03)
        self.assertEqual([each.pid for each in found.silent], [12])
        self.assertEqual(self.shop.asked, [("profile", {"seconds": 1.0})])

    def test_no_worker(self) -> None:
        """A worker that does not exist has no profile."""
        self.shop._answers["profile"] = []
        profiling = Deferred.fromCoroutine(self.inspector.profile("shop", 1.0, 7))
        self.assertIn(
            "shop has no worker with the pid 7", str(self.failureResultOf(profiling, NotFound).value)
        )

    def test_one_service(self) -> None:
        """Only the workers of one service are asked."""
        listed = self.result(self.inspector.requests("bank"))
        self.assertEqual([each.service for each in listed.requests], ["bank"])
        self.assertEqual(self.shop.asked, [])

    def test_cancel(self) -> None:
        """All requests with an id are cancelled; the numbers of all workers are added up."""
        done = self.result(self.inspector.cancel("abc"))
        self.assertEqual(done, Cancellation(3, 1))
        self.assertEqual(self.bank.asked[-1], ("cancel", {"request_id": "abc"}))

    def test_shielded(self) -> None:
        """If shields keep all requests, it is a conflict."""
        self.pools["vault"] = self.vault
        cancelling = Deferred.fromCoroutine(self.inspector.cancel("x", "vault"))
        self.assertIn("shield", str(self.failureResultOf(cancelling, Conflict).value))

    def test_find_id(self) -> None:
        """An id is found by its beginning, if that is the beginning of no other."""
        ids = {"abc", "abe", "ab"}
        self.assertEqual((find_id("abe", ids), find_id("ab", ids), find_id("abc", ids)), ("abe", "ab", "abc"))
        self.assertEqual(find_id("abc", {"abcd"}), "abcd")
        self.assertRaises(NotFound, find_id, "x", ids)
        self.assertRaises(NotFound, find_id, "", {"abc"})
        error = self.assertRaises(Conflict, find_id, "a", ids)
        self.assertEqual(error.detail, "3 ids of requests begin with 'a': ab, abc, abe")
