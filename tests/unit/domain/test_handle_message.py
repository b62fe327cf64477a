"""HandleMessage: errors become replies, requests are limited and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from unixsvc.client.errors import ServiceUnreachable
from unixsvc.domain.coroutine import SuspendedCoroutine, await_result
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.interfaces import IFailureLog, IGuard, IMetrics, IRouterDatasource, IRouterRepository
from unixsvc.domain.message import Caller, Grant, Reply, Request
from unixsvc.domain.request_context import set_current_request
from unixsvc.domain.route_series import UNCOUNTED, RouteSeries
from unixsvc.errors import (
    ConfigError,
    Conflict,
    Forbidden,
    Internal,
    Invalid,
    NotFound,
    ServiceError,
    Unauthorized,
    Unavailable,
    WrongToken,
)

SECRET = "the password of the database is sesame"


class OutOfStock(ServiceError):
    """An application's error whose ``__init__`` does not call that of the base."""

    code = 409
    message = "Out of stock"

    def __init__(self, article: int) -> None:
        self.article = article


@implementer(IRouterRepository, IRouterDatasource, IGuard, IMetrics, IFailureLog)
class FakeDependencies:
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
        self.aborted_codes: list[int] = []
        self.wrong_tokens: list[Request] = []
        self.wrong_token_count = 0
        self.time = 100.0
        self.later = False

    def datasource_for(self, request: Request) -> IRouterDatasource:
        """Return this datasource."""
        if self.nowhere is not None:
            raise self.nowhere
        datasource: IRouterDatasource = self
        return datasource

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        """Reply as configured, immediately or later."""
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
        """Admit or refuse the request."""
        if self.refusal is not None:
            raise self.refusal

    no_route = UNCOUNTED

    def series(self, route: str) -> RouteSeries:
        """All routes are counted together."""
        return UNCOUNTED

    def recount(self, series: RouteSeries, caller: Caller, code: int) -> None:
        """No reply has a file."""

    def count(self, series: RouteSeries, caller: Caller, code: int, seconds: float) -> None:
        """Record the call."""
        self.counted.append((code, seconds))

    def failed(self, request: Request, error: BaseException) -> None:
        """Record the call."""
        self.failures.append(error)

    def internal(self, request: Request, error: ServiceError) -> None:
        """Record the call."""
        self.failures.append(error)

    def aborted(self, request: Request, code: int) -> None:
        """Record the call."""
        self.aborted_codes.append(code)

    def count_wrong_token(self) -> None:
        """Record the call."""
        self.wrong_token_count += 1

    def wrong_token(self, request: Request) -> None:
        """Record the call."""
        self.wrong_tokens.append(request)


class HandleTests(SynchronousTestCase):
    """Requests to a datasource that replies immediately."""

    def setUp(self) -> None:
        """Create a use case with a limit of two pending requests."""
        self.addCleanup(set_current_request, None)  # actions that wait are not continued
        self.around = FakeDependencies()
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
        """Handle a request."""
        coroutine: Coroutine[Any, Any, Any] = await_result(self.handle(request or Request("GET", "/")))
        return Deferred.fromCoroutine(coroutine)

    def reply(self, request: Request | None = None) -> Reply:
        """The reply to a request that does not wait."""
        return self.successResultOf(self.start(request))

    def raising(self, error: BaseException) -> Reply:
        """The reply to an action that raises an error."""
        self.around.error = error
        return self.reply()

    def assert_internal(self, reply: Reply) -> None:
        """The reply is a 500 without details."""
        self.assertEqual(reply, Reply(500, b"", "Internal Server Error", None))

    def test_success(self) -> None:
        """The reply of the datasource is returned and counted with its duration; nothing is logged."""
        self.assertEqual(self.reply(), Reply(200, b"true"))
        self.assertEqual(self.around.counted, [(200, 0.5)])
        self.assertEqual(self.around.failures, [])

    def test_known_failure(self) -> None:
        """A ServiceError becomes a reply with its details; it is counted and not logged."""
        reply = self.raising(NotFound("no product 7"))
        self.assertEqual(reply, Reply(404, b"", "Not found", "no product 7"))
        self.assertEqual(self.around.counted, [(404, 0.5)])
        self.assertEqual(self.around.failures, [])

    def test_unknown_failure(self) -> None:
        """Any other exception becomes a 500 without details and is logged."""
        error = ValueError(SECRET)
        self.assert_internal(self.raising(error))
        self.assertEqual(self.around.failures, [error])
        self.assertEqual(self.around.counted, [(500, 0.5)])

    def test_internal_errors_have_no_detail(self) -> None:
        """A ServiceError with the code 500 has no details in the reply and is logged."""
        errors = [ConfigError("/etc/x", SECRET), Internal(SECRET), ServiceError(SECRET), Internal(object())]
        for error in errors:
            self.assert_internal(self.raising(error))
        self.assertEqual(self.around.failures, errors)

    def test_base_exception(self) -> None:
        """Exceptions that are not derived from Exception get a reply, are counted and logged, too."""
        for error in (asyncio.CancelledError(), SystemExit(SECRET)):
            self.assert_internal(self.raising(error))
            self.assertIs(self.around.failures[-1], error)
        self.assertEqual([code for code, _ in self.around.counted], [500, 500])

    def test_detail_not_json(self) -> None:
        """A detail that is not JSON becomes a 500; the connection stays usable."""
        for detail in (ValueError("x"), object(), {1j: 1}, "\ud800"):
            self.assert_internal(self.raising(Conflict(detail)))
        self.assertEqual(len(self.around.failures), 4)

    def test_details_of_any_json(self) -> None:
        """The details in a reply are those of the error, for any JSON value."""
        details: list[Any] = [None, 0, "", [], {"a": [1]}]
        for detail in details:
            self.assertEqual(self.raising(Conflict(detail)).detail, detail)

    def test_error_without_detail(self) -> None:
        """An error whose ``__init__`` did not call that of the base becomes a reply."""
        self.assertEqual(self.raising(OutOfStock(7)), Reply(409, b"", "Out of stock", None))

    def test_refused_by_the_guard(self) -> None:
        """A request that the guard refuses does not reach the datasource."""
        self.around.refusal = Unauthorized("auth_token is missing")
        self.assertEqual(self.reply(), Reply(401, b"", "Unauthorized", "auth_token is missing"))
        self.assertEqual(self.around.handled, [])
        self.assertEqual(self.around.counted, [(401, 0.0)])
        self.assertEqual((self.around.wrong_token_count, self.around.wrong_tokens), (0, []))

    def test_wrong_token(self) -> None:
        """A wrong token is counted and logged; the reply does not differ from another 401."""
        self.around.refusal = WrongToken("auth_token is wrong")
        request = Request("GET", "/")
        self.assertEqual(self.reply(request), Reply(401, b"", "Unauthorized", "auth_token is wrong"))
        self.assertEqual((self.around.wrong_token_count, self.around.wrong_tokens), (1, [request]))

    def test_internal(self) -> None:
        """Details that name places on this machine are logged, and are not in the reply."""
        error = ServiceUnreachable("/run/x", "the socket does not exist", "see: unixsvc ls")
        self.around.error = error
        self.assertEqual(self.reply(), Reply(503, b"", "Service unavailable", None))
        self.assertEqual(self.around.failures, [error])

    def test_no_datasource(self) -> None:
        """An error of the repository becomes a reply."""
        self.around.nowhere = Forbidden("not here")
        self.assertEqual(self.reply(), Reply(403, b"", "Forbidden", "not here"))

    def test_deadline_has_passed(self) -> None:
        """A request whose time is over is not started."""
        for timeout in (0.0, -1.0):
            reply = self.reply(Request("GET", "/", timeout=timeout))
            self.assertEqual((reply.code, reply.message), (504, "Deadline exceeded"))
        self.assertEqual(self.around.handled, [])
        self.assertEqual(self.reply(Request("GET", "/", timeout=0.001)).code, 200)

    def test_token_before_deadline(self) -> None:
        """A request without a valid token gets 401 even if its time is over."""
        self.around.refusal = Unauthorized()
        self.assertEqual(self.reply(Request("GET", "/", timeout=0.0)).code, 401)

    def test_too_many(self) -> None:
        """Requests above the limit get 503 before any other check; later requests are handled again."""
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
        """A request is not pending after its end, however it ends."""
        for error in (ValueError(), NotFound(), Invalid([]), SystemExit(), asyncio.CancelledError()):
            self.raising(error)
            self.assertEqual(self.handle.inflight, 0)

    def test_admitted_once(self) -> None:
        """The guard is not called for callers that it has admitted permanently."""
        self.around.refusal = Unauthorized("no")
        self.assertEqual(self.reply(Request("GET", "/", caller=Caller(admitted=True))).code, 200)
        self.assertEqual(self.reply(Request("GET", "/", caller=Caller(trusted=True))).code, 401)

    def test_closed_coroutine(self) -> None:
        """A closed coroutine is not pending and counts as no reply."""
        self.around.waits = Deferred()
        suspended = self.handle(Request("GET", "/"))
        assert isinstance(suspended, SuspendedCoroutine)
        self.assertEqual(self.handle.inflight, 1)
        suspended.coroutine.close()
        self.assertEqual(self.handle.inflight, 0)
        self.assertEqual((self.around.counted, self.around.failures), ([], []))

    def test_seconds(self) -> None:
        """The time limit is that of the caller or of the service, whichever is less."""
        for timeout, seconds in ((None, 30.0), (2.5, 2.5), (31.0, 30.0), (-1.0, -1.0)):
            self.assertEqual(self.handle.seconds_for(Request("GET", "/", timeout=timeout)), seconds)

    def test_reply_headers(self) -> None:
        """Headers that something has added to the request are those of the reply, also of an error."""
        for error in (None, Conflict()):
            self.around.error = error
            request = Request("GET", "/")
            request.add_reply_header("X-A", "1")
            head = self.reply(request).head
            self.assertEqual(head and head.headers, (("X-A", "1"),))

    def test_error_headers(self) -> None:
        """An error may have headers; with one that is not valid it is a 500."""
        error = self.around.error = Conflict()
        error.headers = (("X-A", "1"),)
        head = self.reply(Request("GET", "/")).head
        self.assertEqual(head and head.headers, (("X-A", "1"),))
        error.headers = (("X-A", "1\r\nX-B: 2"),)
        reply = self.reply(Request("GET", "/"))
        self.assertEqual((reply.code, reply.head), (500, None))


class HoldBackTests(HandleTests):
    """Requests that have to wait for memory, and all others after that."""

    def setUp(self) -> None:
        """Hold back requests once."""
        super().setUp()
        self.rooms: list[Deferred[None]] = []
        self.handle.hold_back(self._wait)
        self.handle.hold_back(None)

    async def _wait(self) -> None:
        room: Deferred[None] = Deferred()
        self.rooms.append(room)
        await room

    def test_held_back(self) -> None:
        """A request without a valid token is handled when there is room, and counted as pending before."""
        self.handle.hold_back(self._wait)
        reply = self.start()
        self.assertNoResult(reply)
        self.assertEqual((self.around.handled, self.handle.inflight), ([], 1))
        self.assertEqual(self.handle.held_back, 1)
        self.rooms[0].callback(None)
        self.assertEqual(self.handle.held_back, 0)
        self.assertEqual(self.successResultOf(reply), Reply(200, b"true"))
        self.assertEqual((len(self.around.handled), self.handle.inflight), (1, 0))

    def test_others(self) -> None:
        """Requests with a token, and those for the built-in routes, are handled at once."""
        self.handle.hold_back(self._wait)
        for request in (
            Request("GET", "/", caller=Caller(grant=Grant("default"))),
            Request("GET", "/-/ping"),
        ):
            self.assertEqual(self.reply(request).code, 200)

    def test_refused(self) -> None:
        """What the guard refuses does not wait."""
        self.handle.hold_back(self._wait)
        self.around.refusal = Unauthorized()
        self.assertEqual(self.reply().code, 401)
        self.assertEqual(self.rooms, [])

    def test_inflight_limit(self) -> None:
        """Requests that wait are pending ones: further ones get 503."""
        self.handle.hold_back(self._wait)
        for _ in range(2):
            self.start()
        self.assertEqual(self.reply().code, 503)

    def test_no_more(self) -> None:
        """A request that finds the queue full gets its error."""

        async def full() -> None:
            raise Unavailable

        self.handle.hold_back(full)
        self.assertEqual(self.reply().code, 503)
        self.assertEqual(self.handle.inflight, 0)


class LaterTests(HandleTests):
    """The same requests to a datasource that returns an awaitable."""

    def setUp(self) -> None:
        """Use a datasource that returns an awaitable."""
        super().setUp()
        self.around.later = True
