"""The action of each key runs once, for all workers and outcomes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyClass, verifyObject

from tests.unit.datasource.idempotency.store_harness import RecordedActions, StoreTestCase, keyed
from unixsvc.config.settings import Security
from unixsvc.datasource.idempotency.datasource import IdempotentDatasource
from unixsvc.datasource.idempotency.store import OUTCOME_UNKNOWN
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Caller, Grant, Peer, Reply, Request
from unixsvc.errors import (
    Cancelled,
    ConfigError,
    Conflict,
    DeadlineExceeded,
    Invalid,
    MethodNotAllowed,
    NotFound,
    ServiceError,
    Unauthorized,
    Unavailable,
)
from unixsvc.routing.app import App
from unixsvc.routing.route import GET, POST
from unixsvc.testing import MemoryService

FIRST = Reply(200, b'"run 1"')


class OnceTests(StoreTestCase):
    """Two workers of one application."""

    def setUp(self) -> None:
        """Create two workers with the same actions."""
        super().setUp()
        self.actions = RecordedActions()
        self.here, self.there = self.datasource(self.a, self.actions), self.datasource(self.b, self.actions)

    def reply(self, datasource: IdempotentDatasource, request: Request) -> Reply:
        """The reply to a request that does not wait."""
        return self.successResultOf(self.start(datasource, request))

    def test_interface(self) -> None:
        """It provides IRouterDatasource."""
        self.assertTrue(verifyObject(IRouterDatasource, self.here))
        self.assertTrue(verifyClass(IRouterDatasource, IdempotentDatasource))
        self.assertTrue(verifyObject(IRouterDatasource, self.actions))

    def test_without_a_key(self) -> None:
        """A request without a key, or with a safe method, runs each time and is not stored."""
        plain = [Request("POST", "/"), *(keyed(method=method) for method in ("GET", "HEAD", "OPTIONS"))]
        for request in plain * 2:
            self.reply(self.here, request)
        self.assertEqual(self.actions.runs, plain * 2)
        self.assertEqual(os.listdir(self.folder), [])

    def test_again(self) -> None:
        """Both workers repeat the stored reply; another key runs."""
        for each in (self.here, self.there, self.here):
            self.assertEqual(self.reply(each, keyed()), FIRST)
        self.assertEqual(self.reply(self.there, keyed("other")), Reply(200, b'"run 2"'))
        self.assertEqual(len(self.actions.runs), 2)

    def test_another_request(self) -> None:
        """A key of a request with another method, path, query or data is refused."""
        self.reply(self.here, keyed(uid=7))
        others: list[dict[str, Any]] = [
            {"method": "PUT"},
            {"path": "/items/"},
            {"query": "a=1"},
            {"data": '{"x":2}'},
        ]
        for other in others:
            error = self.failureResultOf(self.start(self.there, keyed(**({"uid": 7} | other))), Invalid)
            self.assertEqual(error.value.detail[0]["field"], "meta.idempotency_key")
        self.assertEqual(self.reply(self.there, keyed(uid=7)), FIRST)
        self.assertEqual(len(self.actions.runs), 1)

    def test_another_caller(self) -> None:
        """The same key of another caller is another key: neither gets the reply of the other."""
        alice, bob = Caller(grant=Grant("alice")), Caller(grant=Grant("bob"))
        callers = [Caller(Peer(7)), Caller(Peer(8)), alice, bob, Caller()]
        requests = [msgspec.structs.replace(keyed(), caller=caller) for caller in callers]
        replies = [self.reply(self.here, request) for request in requests]
        self.assertEqual(self.actions.runs, requests)
        self.assertEqual([self.reply(self.there, request) for request in requests], replies)
        self.assertEqual(len(self.actions.runs), len(callers))
        other = msgspec.structs.replace(keyed(data="{}"), caller=Caller())
        self.assertEqual(self.reply(self.there, other), Reply(200, b'"run 6"'))

    def test_keys(self) -> None:
        """A key has 1 to 255 characters of any kind."""
        for key in ("", "x" * 256):
            error = self.failureResultOf(self.start(self.here, keyed(key)), Invalid)
            self.assertEqual(error.value.detail[0]["field"], "meta.idempotency_key")
        for key in ("x" * 255, "ä\0'\ud800"):
            self.assertEqual(self.reply(self.here, keyed(key)), self.reply(self.there, keyed(key)))
        self.assertEqual(len(self.actions.runs), 2)

    def test_failures(self) -> None:
        """The error of an action is stored; of an unknown exception only the code."""
        failures = {
            "a": (Conflict({"by": [1]}), Reply(409, b"", "Conflict", {"by": [1]})),
            "b": (NotFound("x"), Reply(404, b"", "Not found", "x")),
            "c": (ValueError("secret"), Reply(500, b"", "Internal Server Error", None)),
            "d": (ServiceError("secret"), Reply(500, b"", "Internal Server Error", None)),
            "e": (asyncio.CancelledError(), Reply(500, b"", "Internal Server Error", None)),
            "f": (Conflict(object()), Reply(500, b"", "Internal Server Error", None)),
        }
        for key, (error, reply) in failures.items():
            self.actions.error = error
            self.assertIs(self.failureResultOf(self.start(self.here, keyed(key))).value, error)
            self.assertEqual(self.reply(self.there, keyed(key)), reply)
        self.assertEqual(len(self.actions.runs), len(failures))

    def test_not_begun(self) -> None:
        """Errors before the action are not stored, and come before the stored reply."""
        for refusal in (Unauthorized(), NotFound(), Invalid([]), Unavailable()):
            self.actions.refusal = refusal
            self.assertIs(self.failureResultOf(self.start(self.here, keyed())).value, refusal)
        self.actions.refusal = None
        self.assertEqual(self.reply(self.here, keyed()), FIRST)
        self.actions.refusal = Unauthorized()
        self.failureResultOf(self.start(self.there, keyed()), Unauthorized)

    def test_waits_here(self) -> None:
        """Requests to the worker that runs the action get its reply at the same time."""
        self.actions.waits = Deferred()
        replies = [self.start(self.here, keyed()) for _ in range(5)]
        for each in replies:
            self.assertNoResult(each)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.actions.waits.callback(None)
        for each in replies:
            self.assertEqual(self.successResultOf(each), FIRST)
        self.assertEqual(len(self.actions.runs), 1)

    def test_waits_there(self) -> None:
        """Requests to another worker get the reply soon; the polling interval grows."""
        self.actions.waits = Deferred()
        self.start(self.here, keyed())
        reply = self.start(self.there, keyed())
        pauses = []
        for _ in range(9):
            (call,) = self.clock.getDelayedCalls()
            pauses.append(round(call.getTime() - self.clock.seconds(), 3))
            self.clock.advance(call.getTime() - self.clock.seconds())
        self.assertEqual(pauses, [0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.25, 0.25, 0.25])
        self.assertNoResult(reply)
        self.actions.waits.callback(None)
        self.clock.advance(0.25)
        self.assertEqual(self.successResultOf(reply), FIRST)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.actions.runs), 1)

    def test_stops_waiting(self) -> None:
        """Cancelling a waiting request affects neither the action nor other requests."""
        self.actions.waits = Deferred()
        first = self.start(self.here, keyed())
        for datasource in (self.here, self.there):
            coroutine: Any = datasource.handle(keyed())
            waiting = coroutine.send(None)
            waiting.addErrback(lambda _: None)
            waiting.cancel()
            self.assertRaises(DeadlineExceeded, coroutine.throw, DeadlineExceeded())
        second = self.start(self.here, keyed())
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.actions.waits.callback(None)
        self.assertEqual((self.successResultOf(first), self.successResultOf(second)), (FIRST, FIRST))

    def test_worker_exits(self) -> None:
        """If the worker that runs the action dies, waiting and later requests get 409."""
        self.actions.waits = Deferred()
        self.addCleanup(self.actions.waits.callback, None)  # it ends here, not when it is collected
        self.start(self.here, keyed())
        reply = self.start(self.there, keyed())
        self.alive.remove("A")
        self.clock.advance(0.005)
        self.assertEqual(self.successResultOf(reply), OUTCOME_UNKNOWN)
        self.assertEqual(self.reply(self.there, keyed()), OUTCOME_UNKNOWN)
        self.assertEqual(len(self.actions.runs), 1)

    def test_interrupted_action(self) -> None:
        """The outcome of an aborted action is unknown: waiting and later requests get 409."""
        for key, error in (("a", Cancelled()), ("b", DeadlineExceeded()), ("c", Unavailable())):
            self.actions.waits = Deferred()
            first, second = self.start(self.here, keyed(key)), self.start(self.here, keyed(key))
            self.actions.waits.errback(error)
            self.failureResultOf(first, type(error))
            self.assertEqual(self.successResultOf(second), OUTCOME_UNKNOWN)
            self.assertEqual(self.reply(self.there, keyed(key)), OUTCOME_UNKNOWN)
        self.assertEqual(len(self.actions.runs), 3)

    def test_closed_coroutine(self) -> None:
        """The outcome of a closed coroutine is unknown."""
        self.actions.waits = Deferred()
        coroutine: Any = self.here.handle(keyed())
        coroutine.send(None)
        coroutine.close()
        self.assertEqual(self.reply(self.here, keyed()), OUTCOME_UNKNOWN)

    def test_key_not_stored(self) -> None:
        """If the key cannot be recorded, the action does not run."""
        datasource = self.datasource(self.store("A", "/proc/none"), self.actions)
        self.failureResultOf(self.start(datasource, keyed()), Unavailable)
        self.assertEqual(self.actions.runs, [])
        self.assertEqual(len(self.flushLoggedErrors(ConfigError)), 1)

    def test_result_not_stored(self) -> None:
        """If the reply cannot be stored, its caller and waiting requests get it all the same."""
        self.actions.waits = Deferred()
        first, second = self.start(self.here, keyed()), self.start(self.here, keyed())
        self.a.close()
        self.patch(self.a, "_directory", "/proc/none")
        self.actions.waits.callback(None)
        self.assertEqual((self.successResultOf(first), self.successResultOf(second)), (FIRST, FIRST))
        self.assertEqual(len(self.flushLoggedErrors(ConfigError)), 1)


class RealRouterTests(SynchronousTestCase):
    """From the protocol through guard and router to actions and back."""

    def setUp(self) -> None:
        """Create an application that counts its runs."""
        self.runs = 0
        routes = [
            POST("/add", self.add),
            POST("/find", self.find),
            POST("/public", self.add, public=True),
            POST("/block", self.add, blocking=True),
            GET("/add", self.add),
            POST("/stream", self.stream),
        ]
        self.service = MemoryService(App(routes))
        self.stranger = MemoryService(App(routes), token=None, security=Security("private"))

    def add(self, by: Annotated[int, Meta(ge=1)] = 1) -> int:
        """Count a run."""
        self.runs += by
        return self.runs

    def find(self) -> None:
        """Count a run, and raise an error."""
        self.runs += 1
        raise NotFound("no such thing")

    async def stream(self) -> AsyncGenerator[int, None]:
        """Yield one number."""
        self.runs += 1
        yield self.runs

    def call(self, path: str, key: str = "k", method: str = "POST", **data: Any) -> Deferred[Any]:
        """Send a request with a key."""
        return self.service.call(method, path, data, meta={"idempotency_key": key})

    def test_once(self) -> None:
        """An action runs once for a key, also in a thread; without a key, or with a safe method, always."""
        for path in ("/add", "/block"):
            before = self.runs
            for _ in range(3):
                self.assertEqual(self.successResultOf(self.call(path, path)), before + 1)
        for number in (3, 4):
            self.assertEqual(self.successResultOf(self.service.post("/add")), number)
        for number in (5, 6):
            self.assertEqual(self.successResultOf(self.call("/add", method="GET")), number)

    def test_not_begun(self) -> None:
        """A wrong path, method or argument does not use the key."""
        self.failureResultOf(self.call("/nowhere"), NotFound)
        self.failureResultOf(self.call("/add", method="DELETE"), MethodNotAllowed)
        self.failureResultOf(self.call("/add", by=0), Invalid)
        self.assertEqual(self.successResultOf(self.call("/add", by=5)), 5)

    def test_failure_of_the_action(self) -> None:
        """A failure that the action raised is stored, even if it looks like one before the action."""
        for _ in range(3):
            error = self.failureResultOf(self.call("/find"), NotFound)
            self.assertEqual(error.value.detail, "no such thing")
        self.assertEqual(self.runs, 1)

    def test_not_for_strangers(self) -> None:
        """A caller that may not run an action is refused before its key is checked."""
        meta = {"idempotency_key": "k"}
        self.failureResultOf(self.stranger.call("POST", "/add", {}, meta=meta), Unauthorized)
        self.assertEqual(self.successResultOf(self.stranger.call("POST", "/public", {}, meta=meta)), 1)

    def test_no_streams(self) -> None:
        """A key cannot be used for a stream."""
        error = self.failureResultOf(self.call("/stream"), Invalid)
        self.assertEqual(error.value.detail[0]["field"], "meta.idempotency_key")
        self.assertEqual(self.runs, 0)
