"""Calls to other services."""

from __future__ import annotations

import threading
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyClass, verifyObject

from unixsvc.client.breaker import CircuitBreaker
from unixsvc.client.twisted.client import Client
from unixsvc.datasource.service_clients import ServiceClients
from unixsvc.domain.interfaces import IServices
from unixsvc.domain.message import Request
from unixsvc.domain.request_context import set_current_request
from unixsvc.errors import DeadlineExceeded, Unavailable
from unixsvc.telemetry.metrics.snapshot import ClientStats
from unixsvc.testing import NoServices


class FakeClient:
    """Records its calls.

    :ivar calls: method, path, data and options of each call.
    """

    def __init__(self, service: str, **options: Any) -> None:
        self.service = service
        self.options = options
        self.calls: list[tuple[Any, ...]] = []
        self.answers: list[Deferred[Any]] = []
        self.closed = False
        self.breaker = CircuitBreaker()
        self.now = 1000.0

    def call(self, *what: Any, **options: Any) -> Deferred[Any]:
        """Record the call."""
        self.calls.append((*what, options))
        self.answers.append(Deferred())
        return self.answers[-1]

    def stream(self, *what: Any, **options: Any) -> str:
        """Record the call."""
        self.calls.append((*what, options))
        return "stream"

    open = call

    def stats(self) -> dict[str, Any]:
        """The state of a client."""
        is_open = self.breaker.is_open(self.now)
        return {
            "open": is_open,
            "refused": self.breaker.refused,
            "connections": len(self.calls),
            "calls": len(self.calls),
            "retries": 0,
            "failures": 0,
            "budget": 1.0,
        }

    def close(self) -> None:
        """Record the call."""
        self.closed = True


class ServicesTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Reset the request context."""
        set_current_request(None)
        self.made: list[FakeClient] = []
        self.services = ServiceClients("/run/x", "secret", "reactor", lambda: 100.0, self.make)
        self.addCleanup(set_current_request, None)

    def make(self, *arguments: Any, **options: Any) -> FakeClient:
        """Create a client."""
        self.made.append(FakeClient(*arguments, **options))
        return self.made[-1]

    def carried(self, **options: Any) -> tuple[float | None, dict[str, str]]:
        """The timeout and the meta of a call."""
        self.services.call("shop", "GET", "/x", **options)
        found = self.made[0].calls[-1][-1]
        return found.get("timeout"), found["meta"]

    def test_stats(self) -> None:
        """``stats`` returns the state of each client."""
        services = self.services
        self.assertEqual(services.stats(), {})
        services.get("shop", "/")
        expected = {"shop": self.made[0].stats() | {"half_open": False}}
        self.assertEqual(services.stats(), expected)

    def test_breaker(self) -> None:
        """The breaker is open for a while, then half-open until a call, and closed after a success."""
        self.assertEqual(self.services.client_stats(), {})
        self.services.get("shop", "/")
        [client] = self.made
        self.assertEqual(
            self.services.client_stats(), {"shop": ClientStats(closed=1, connections=1, calls=1)}
        )
        for _ in range(5):
            client.breaker.failed(client.now)
        self.assertRaises(Unavailable, client.breaker.admit, client.now)
        self.assertEqual(
            self.services.client_stats(), {"shop": ClientStats(open=1, refused=1, connections=1, calls=1)}
        )
        for _ in range(2):
            client.now += 60
            self.assertEqual(
                self.services.client_stats(),
                {"shop": ClientStats(half_open=1, refused=1, connections=1, calls=1)},
            )
            self.assertTrue(self.services.stats()["shop"]["half_open"])
        client.breaker.succeeded()
        self.assertEqual(
            self.services.client_stats(), {"shop": ClientStats(closed=1, refused=1, connections=1, calls=1)}
        )

    def test_end(self) -> None:
        """The end of each call is reported with its code and its time; streams are not."""
        ended: list[tuple[str, int, float]] = []
        now = 100.0
        services = ServiceClients(
            "/run/x", "secret", "reactor", lambda: now, self.make, on_end=lambda *end: ended.append(end)
        )
        calls: list[Deferred[Any]] = [
            services.call("shop", "GET", "/"),
            services.open("shop", "GET", "/"),
            services.call("shop", "GET", "/"),
        ]
        services.stream("shop", "GET", "/")
        services.call("no shop", "GET", "/").addErrback(lambda _: None)
        [client, other] = self.made
        now = 102.5
        client.answers[0].callback("found")
        client.answers[1].errback(Unavailable())
        calls[2].cancel()
        other.answers[0].callback("found")
        self.assertEqual(self.successResultOf(calls[0]), "found")
        self.failureResultOf(calls[1], Unavailable)
        self.failureResultOf(calls[2])
        self.assertEqual(ended, [("shop", 200, 2.5), ("shop", 503, 2.5), ("shop", 499, 2.5)])

    def test_many(self) -> None:
        """A report has at most a hundred services, and only valid names."""
        for name in ("x" * 64, "Shop", "no shop", "", *(f"shop-{number}" for number in range(200))):
            self.services.get(name, "/")
        self.assertEqual(list(self.services.client_stats()), [f"shop-{number}" for number in range(100)])
        self.assertEqual(len(self.services.stats()), 204)

    def test_interface(self) -> None:
        """ServiceClients and NoServices provide IServices."""
        for each in self.services, NoServices():
            self.assertTrue(verifyObject(IServices, each))
        self.assertTrue(verifyClass(IServices, ServiceClients))

    def test_clients(self) -> None:
        """Each service has one client with socket directory and token, created on its first call."""
        self.assertEqual(self.made, [])
        for service in ("shop", "user", "shop"):
            self.services.get(service, "/x")
        self.assertEqual([each.service for each in self.made], ["shop", "user"])
        options = {"socket_dir": "/run/x", "token": "secret", "reactor": "reactor"}
        self.assertEqual(self.made[0].options, options)
        self.assertIsInstance(ServiceClients("", "", None, float)._client("shop"), Client)

    def test_methods(self) -> None:
        """Each HTTP method has a short form; data may have any field names."""
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            getattr(self.services, method.lower())("shop", "/x", service=1, path=2)
            self.assertEqual(self.made[0].calls[-1][:3], (method, "/x", {"service": 1, "path": 2}))
            getattr(self.services, method.lower())("shop", "/x", type=list[int])
            self.assertEqual(self.made[0].calls[-1][-1]["type"], list[int])

    def test_answer(self) -> None:
        """The result of the client is returned; cancellation cancels the client's call."""
        answer = self.services.call("shop", "GET", "/x")
        self.made[0].answers[0].callback(7)
        self.assertEqual(self.successResultOf(answer), 7)
        answer = self.services.call("shop", "GET", "/x")
        answer.addErrback(lambda _: None)
        answer.cancel()
        self.assertTrue(self.made[0].answers[1].called)

    def test_outside(self) -> None:
        """Outside an action, a call has its own timeout and meta."""
        self.assertEqual(self.carried(), (None, {}))
        self.assertEqual(self.carried(timeout=3, meta={"a": "b"}), (3, {"a": "b"}))

    def test_time(self) -> None:
        """In an action, a call has at most the remaining time."""
        set_current_request(Request("GET", "/"), 105.0)
        for given, had in ((None, 5.0), (3.0, 3.0), (9.0, 5.0)):
            self.assertEqual(self.carried(timeout=given)[0], had)

    def test_no_time(self) -> None:
        """After the deadline, no call is made."""
        self.carried()
        self.failureResultOf(self.services.call("shop", "GET", "/x", timeout=0), DeadlineExceeded)
        set_current_request(Request("GET", "/"), 100.0)
        self.failureResultOf(self.services.get("shop", "/x"), DeadlineExceeded)
        self.assertRaises(DeadlineExceeded, self.services.stream, "shop", "GET", "/x")
        self.assertEqual(len(self.made[0].calls), 1)

    def test_endless(self) -> None:
        """In a stream without a limit, a call has its own timeout."""
        set_current_request(Request("GET", "/"), float("inf"))
        self.assertEqual(self.carried()[0], None)
        self.assertEqual(self.carried(timeout=3)[0], 3)

    def test_meta(self) -> None:
        """The id and the trace of the request are inherited; own meta has priority."""
        meta = {"request_id": "r", "traceparent": "t", "idempotency_key": "k", "own": "o"}
        set_current_request(Request("GET", "/", meta=meta), 105.0)
        self.assertEqual(self.carried()[1], {"request_id": "r", "traceparent": "t"})
        self.assertEqual(self.carried(meta={"request_id": "s"})[1], {"request_id": "s", "traceparent": "t"})

    def test_made_up_name(self) -> None:
        """A generated request id is inherited."""
        request = Request("GET", "/")
        set_current_request(request, 105.0)
        self.assertEqual(self.carried()[1], {"request_id": request.request_id})

    def test_stream(self) -> None:
        """A stream inherits the context."""
        set_current_request(Request("GET", "/", meta={"request_id": "r"}), 105.0)
        self.assertEqual(self.services.stream("shop", "GET", "/x", {"a": 1}, type=int), "stream")
        options = {"timeout": 5.0, "type": int, "meta": {"request_id": "r"}}
        self.assertEqual(self.made[0].calls, [("GET", "/x", {"a": 1}, options)])

    def test_open(self) -> None:
        """``open`` inherits the context; the limit of a stream is only its own."""
        set_current_request(Request("GET", "/", meta={"request_id": "r"}), 105.0)
        for limit in (None, 9.0, 3.0):
            self.services.open("shop", "GET", "/x", {"a": 1}, limit=limit)
            options = {"timeout": 5.0, "limit": limit, "meta": {"request_id": "r"}}
            self.assertEqual(self.made[0].calls[-1], ("GET", "/x", {"a": 1}, options))
        set_current_request(Request("GET", "/"), 100.0)
        self.failureResultOf(self.services.open("shop", "GET", "/x"), DeadlineExceeded)

    def test_closed(self) -> None:
        """Closing closes all clients; later calls fail."""
        self.services.get("shop", "/x")
        self.services.get("user", "/x")
        self.services.close()
        self.assertEqual([each.closed for each in self.made], [True, True])
        self.failureResultOf(self.services.get("shop", "/x"), Unavailable)

    def test_thread(self) -> None:
        """A call from another thread raises an error with the remedy."""
        problems: list[str] = []

        def ask() -> None:
            try:
                self.services.get("shop", "/x")
            except RuntimeError as error:
                problems.append(str(error))

        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        self.assertEqual(len(problems), 1)
        self.assertIn("unixsvc.blocking.Client", problems[0])
