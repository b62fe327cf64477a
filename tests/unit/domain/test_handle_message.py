"""The use case: failures become replies, requests are limited and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.domain.coroutine import SuspendedCoroutine, await_result
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IFailureLog, IGuard, IMetrics, IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Caller, Reply, Request
from unixsvc.errors import (
    ConfigError,
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    ServiceError,
    Unauthorized,
)

SECRET = "the password of the database is sesame"


class OutOfStock(ServiceError):
    """An application's own error, whose author forgot the base's ``__init__``."""

    code = 409
    message = "Out of stock"

    def __init__(self, article: int) -> None:
        self.article = article


@implementer(IRouterRepository, IRouterDatasource, IGuard, IMetrics, IFailureLog)
class Surroundings:
    """All that the use case needs.

    :ivar error: what the action raises; None for success.
    :ivar refusal: what the guard raises.
    :ivar nowhere: what the repository raises.
    :ivar waits: what the action waits for.
    :ivar later: whether there is something to await even if that has no need to wait.
    """

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.refusal: ServiceError | None = None
        self.nowhere: ServiceError | None = None
        self.waits: Deferred[Any] | None = None
        self.handled: list[Request] = []
        self.counted: list[tuple[int, float]] = []
        self.failures: list[BaseException] = []
        self.given_up: list[int] = []
        self.time = 100.0
        self.later = False

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """This."""
        if self.nowhere is not None:
            raise self.nowhere
        datasource: IRouterDatasource = self
        return datasource

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Answer, after half a second, as the test says: at once, if there is nothing to wait for."""
        if self.waits is not None or self.later:
            return self._answer(request)
        try:
            self._answer(request).send(None)
        except StopIteration as stop:
            reply: Reply = stop.value
        return reply

    async def _answer(self, request: Request) -> Reply:
        self.handled.append(request)
        if self.waits is not None:
            await self.waits
        self.time += 0.5
        if self.error is not None:
            raise self.error
        return Reply(200, b"true")

    def admit(self, request: Request) -> None:
        """Let pass, or not."""
        if self.refusal is not None:
            raise self.refusal

    def count(self, code: int, seconds: float) -> None:
        """Note."""
        self.counted.append((code, seconds))

    def failed(self, request: Request, error: BaseException) -> None:
        """Note."""
        self.failures.append(error)

    def aborted(self, request: Request, code: int) -> None:
        """Note."""
        self.given_up.append(code)


class HandleTests(SynchronousTestCase):
    """Requests."""

    def setUp(self) -> None:
        """A use case with room for two requests."""
        self.around = Surroundings()
        self.handle = HandleMessage(
            self.around,
            self.around,
            self.around,
            self.around,
            max_inflight=2,
            request_timeout=30.0,
            now=lambda: self.around.time,
        )

    def start(self, request: Request | None = None) -> Deferred[Reply]:
        """Have a request answered."""
        coroutine: Coroutine[Any, Any, Any] = await_result(self.handle(request or Request("GET", "/")))
        return Deferred.fromCoroutine(coroutine)

    def reply(self, request: Request | None = None) -> Reply:
        """The reply to a request that needs no waiting."""
        return self.successResultOf(self.start(request))

    def raising(self, error: BaseException) -> Reply:
        """The reply where the action raises something."""
        self.around.error = error
        return self.reply()

    def assert_internal(self, reply: Reply) -> None:
        """The peer learns of a failure that it happened, and nothing else."""
        self.assertEqual(reply, Reply(500, b"", "Internal Server Error", None))

    def test_success(self) -> None:
        """The datasource's reply is the reply; it is counted with its time, and nothing is logged."""
        self.assertEqual(self.reply(), Reply(200, b"true"))
        self.assertEqual(self.around.counted, [(200, 0.5)])
        self.assertEqual(self.around.failures, [])

    def test_known_failure(self) -> None:
        """An error that peers may know is told with its detail, counted, and not logged."""
        reply = self.raising(NotFound("no product 7"))
        self.assertEqual(reply, Reply(404, b"", "Not found", "no product 7"))
        self.assertEqual(self.around.counted, [(404, 0.5)])
        self.assertEqual(self.around.failures, [])

    def test_unknown_failure(self) -> None:
        """Nothing of any other exception reaches the peer; the log gets it."""
        error = ValueError(SECRET)
        self.assert_internal(self.raising(error))
        self.assertEqual(self.around.failures, [error])
        self.assertEqual(self.around.counted, [(500, 0.5)])

    def test_internal_errors_have_no_detail(self) -> None:
        """A ServiceError that is a 500 is one: no detail for the peer, and an entry in the log."""
        errors = [ConfigError("/etc/x", SECRET), Internal(SECRET), ServiceError(SECRET), Internal(object())]
        for error in errors:
            self.assert_internal(self.raising(error))
        self.assertEqual(self.around.failures, errors)

    def test_what_is_no_exception(self) -> None:
        """Also what passes by "except Exception" is answered, counted and logged."""
        for error in (asyncio.CancelledError(), SystemExit(SECRET)):
            self.assert_internal(self.raising(error))
            self.assertIs(self.around.failures[-1], error)
        self.assertEqual([code for code, _ in self.around.counted], [500, 500])

    def test_detail_that_is_no_json(self) -> None:
        """A detail that cannot be sent is our failure, not the connection's."""
        for detail in (ValueError("x"), object(), {1j: 1}, "\ud800"):
            self.assert_internal(self.raising(Conflict(detail)))
        self.assertEqual(len(self.around.failures), 4)

    def test_details_of_any_json(self) -> None:
        """A detail is told as it is, whatever JSON it is."""
        details: list[Any] = [None, 0, "", [], {"a": [1]}]
        for detail in details:
            self.assertEqual(self.raising(Conflict(detail)).detail, detail)

    def test_error_without_detail(self) -> None:
        """An application's error that never called the base's __init__ is told all the same."""
        self.assertEqual(self.raising(OutOfStock(7)), Reply(409, b"", "Out of stock", None))

    def test_refused_by_the_guard(self) -> None:
        """What the guard refuses never reaches a datasource."""
        self.around.refusal = Unauthorized("auth_token is missing")
        self.assertEqual(self.reply(), Reply(401, b"", "Unauthorized", "auth_token is missing"))
        self.assertEqual(self.around.handled, [])
        self.assertEqual(self.around.counted, [(401, 0.0)])

    def test_no_datasource(self) -> None:
        """What the repository raises is told."""
        self.around.nowhere = Forbidden("not here")
        self.assertEqual(self.reply(), Reply(403, b"", "Forbidden", "not here"))

    def test_deadline_has_passed(self) -> None:
        """A request whose caller has no time left is not begun."""
        for timeout in (0.0, -1.0):
            reply = self.reply(Request("GET", "/", timeout=timeout))
            self.assertEqual((reply.code, reply.message), (504, "Deadline exceeded"))
        self.assertEqual(self.around.handled, [])
        self.assertEqual(self.reply(Request("GET", "/", timeout=0.001)).code, 200)

    def test_a_wrong_token_comes_before_the_deadline(self) -> None:
        """Who may not ask learns nothing else."""
        self.around.refusal = Unauthorized()
        self.assertEqual(self.reply(Request("GET", "/", timeout=0.0)).code, 401)

    def test_too_many(self) -> None:
        """Further requests than allowed are refused before anything else is looked at; then they pass."""
        self.around.waits = Deferred()
        first, second = self.start(), self.start()
        self.assertEqual(self.handle.inflight, 2)
        self.around.refusal = Unauthorized()
        third = self.reply()
        self.assertEqual((third.code, third.detail), (503, {"retry_after": 1.0}))
        self.assertEqual(self.handle.inflight, 2)
        self.around.refusal = None
        self.around.waits.callback(None)
        self.assertEqual(self.successResultOf(first), self.successResultOf(second))
        self.assertEqual(self.handle.inflight, 0)
        self.around.waits = None
        self.assertEqual(self.reply().code, 200)

    def test_inflight_after_failures(self) -> None:
        """However a request ends, it is no longer counted as unanswered."""
        for error in (ValueError(), NotFound(), Invalid([]), SystemExit(), asyncio.CancelledError()):
            self.raising(error)
            self.assertEqual(self.handle.inflight, 0)

    def test_trusted_once(self) -> None:
        """A caller that is trusted is not asked for its token any more; others are."""
        self.around.refusal = Unauthorized("no")
        self.assertEqual(self.reply(Request("GET", "/", caller=Caller(trusted=True))).code, 200)
        self.assertEqual(self.reply(Request("GET", "/", caller=Caller())).code, 401)

    def test_given_up(self) -> None:
        """A coroutine that is closed gives up its place, and counts as no reply."""
        self.around.waits = Deferred()
        suspended = self.handle(Request("GET", "/"))
        assert isinstance(suspended, SuspendedCoroutine)
        self.assertEqual(self.handle.inflight, 1)
        suspended.coroutine.close()
        self.assertEqual(self.handle.inflight, 0)
        self.assertEqual((self.around.counted, self.around.failures), ([], []))

    def test_seconds(self) -> None:
        """The time for an answer is the caller's or ours, whichever is less."""
        for timeout, seconds in ((None, 30.0), (2.5, 2.5), (31.0, 30.0), (-1.0, -1.0)):
            self.assertEqual(self.handle.seconds_for(Request("GET", "/", timeout=timeout)), seconds)


class LaterTests(HandleTests):
    """The same, where a datasource gives something to await, whether it waits or not."""

    def setUp(self) -> None:
        """Such a one."""
        super().setUp()
        self.around.later = True
