"""Interceptors around Klein routes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import svcs
from klein import Klein
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from werkzeug.exceptions import Gone, NotFound

from tests.unit.security.users_app import User, at_once
from unixsvc import GET, ApiKey, App, Call, Proceed, Reply, RouteInfo, ServiceError, Unavailable
from unixsvc.errors import Conflict, Unauthorized
from unixsvc.rest import message_of, requires
from unixsvc.testing import MemoryHttp

Seen = tuple[str, str, str | None, object]


class Lost(Exception):
    """An exception of a page."""


def ping() -> str:
    """An action."""
    return "pong"


class InterceptedTests(SynchronousTestCase):
    """An application with an interceptor and pages."""

    def setUp(self) -> None:
        """Record calls."""
        self.seen: list[Seen] = []
        self.calls: list[Call] = []
        self.ran: list[str] = []
        self.waits: Deferred[str] = Deferred()

    async def record(self, call: Call, proceed: Proceed) -> Reply:
        """Record a call and its outcome, and add a header."""
        outcome: object = None
        self.calls.append(call)
        try:
            reply = await proceed(call)
            outcome = reply.code
            return reply
        except BaseException as error:
            outcome = error
            raise
        finally:
            route = call.route.pattern if call.route else None
            self.seen.append((call.request.method, call.request.path, route, outcome))
            call.add_reply_header("X-Seen", str(len(self.seen)))

    def web(self, klein: Klein, container: svcs.Container) -> None:  # noqa: C901 # a page each
        """Pages of all kinds."""

        @klein.route("/text/<int:id>", methods=["GET"])
        def text(request: Any, id: int) -> str:
            self.ran.append("text")
            return message_of(request).meta.get("tenant", str(id))

        @klein.route("/data")
        async def data(request: Any) -> dict[str, str]:
            return {"waited": await self.waits}

        @klein.route("/made")
        def made(request: Any) -> str:
            request.setResponseCode(201)
            request.setHeader(b"Cache-Control", b"max-age=60")
            return "made"

        @klein.route("/own-404")
        def own_404(request: Any) -> str:
            request.setResponseCode(404)
            return "<h1>Not here</h1>"

        @klein.route("/fail")
        def fail(request: Any) -> str:
            raise Lost

        @klein.route("/conflict")
        async def conflict(request: Any) -> str:
            raise Conflict({"left": 0})

        @klein.route("/gone")
        def gone(request: Any) -> str:
            raise Gone

        @klein.route("/handled")
        def handled(request: Any) -> str:
            raise NotFound

        @klein.route("/slash/")
        def slash(request: Any) -> str:
            return "slash"

        @klein.route("/started")
        def started(request: Any) -> bytes:
            request.write(b"some")
            return b", more"

        @klein.route("/user")
        @requires()
        def user(request: Any) -> str:
            return message_of(request).user_name

        @klein.handle_errors(NotFound)
        def missing(request: Any, failure: Any) -> str:
            request.setResponseCode(404)
            return "handled"

    def site(self, *interceptors: Any, **options: Any) -> MemoryHttp:
        """A site."""
        app = App([GET("/ping", ping, public=True)], web=self.web, interceptors=interceptors, **options)
        return MemoryHttp(app, token=None)

    def get(self, path: str, *interceptors: Any, method: str = "GET", **options: Any) -> Any:
        """The response to a request."""
        site = self.site(*(interceptors or [self.record]))
        return self.successResultOf(site.request(method, path, **options))

    def test_sees(self) -> None:
        """It sees the method, the path, the headers, the route and the status, and adds a header."""
        response = self.get("/text/7", headers={"X-A": "b"})
        self.assertEqual((response.status_code, response.text, response.headers["X-Seen"]), (200, "7", "1"))
        self.assertEqual(self.seen, [("GET", "/text/7", "/text/<int:id>", 200)])
        [call] = self.calls
        self.assertEqual((call.is_page, call.side, call.request.header("X-A")), (True, "server", "b"))
        self.assertEqual(call.route, RouteInfo("GET", "/text/<int:id>"))
        self.assertEqual(self.get("/made").status_code, 201)
        self.assertEqual(self.seen[-1][3], 201)

    def test_waits(self) -> None:
        """It waits for a page that waits, and the result is encoded as without it."""
        site = self.site(self.record)
        waiting = site.request("GET", "/data")
        self.assertNoResult(waiting)
        self.assertEqual(self.seen, [])
        self.waits.callback("done")
        response = self.successResultOf(waiting)
        self.assertEqual((response.json(), response.headers["X-Seen"]), ({"waited": "done"}, "1"))
        self.assertEqual(self.seen, [("GET", "/data", "/data", 200)])

    def test_actions(self) -> None:
        """The same function is called around actions, once for each request."""
        self.assertEqual(self.get("/ping").json(), "pong")
        self.assertEqual(([each[1] for each in self.seen], self.calls[0].is_page), (["/ping"], False))

    def test_errors(self) -> None:
        """It sees an error as an exception: with the code of the response, or as the page has raised it."""
        for path, code, kind, text in (
            ("/conflict", 409, Conflict, '"left"'),
            ("/fail", 500, Lost, "Internal"),
            ("/gone", 410, ServiceError, "Gone"),
            ("/own-404", 404, ServiceError, "<h1>Not here</h1>"),
            ("/handled", 404, ServiceError, "handled"),
        ):
            response = self.get(path)
            self.assertEqual((response.status_code, response.headers["X-Seen"]), (code, str(len(self.seen))))
            self.assertIn(text.lower(), response.text.lower(), path)
            error = self.seen[-1][3]
            self.assertIsInstance(error, kind, path)
            if isinstance(error, ServiceError):
                self.assertEqual(error.code, code)
        self.assertEqual(len(self.seen), 5)
        self.assertEqual(len(self.flushLoggedErrors(Lost)), 1)

    def test_no_route(self) -> None:
        """It sees redirects and refused methods of a path, which have no route."""
        response = self.get("/slash")
        self.assertEqual((response.status_code, response.headers["Location"]), (308, "/slash/"))
        self.assertEqual(self.seen, [("GET", "/slash", None, 308)])
        response = self.get("/text/7", method="POST")
        self.assertEqual((response.status_code, response.headers["X-Seen"]), (405, "2"))
        error = self.seen[-1][3]
        assert isinstance(error, ServiceError)
        self.assertEqual((self.seen[-1][:3], error.code), (("POST", "/text/7", None), 405))

    def test_answers(self) -> None:
        """It answers in place of the page with data, nothing or an error, and the page is not called."""

        async def maintenance(call: Call, proceed: Proceed) -> Reply:
            if call.request.header("X-Answer") is None:
                raise Unavailable(60)
            return call.reply({"a": 1} if call.request.header("X-Answer") == "data" else None)

        response = self.get("/text/7", maintenance)
        self.assertEqual((response.status_code, response.headers["Retry-After"]), (503, "60"))
        response = self.get("/text/7", maintenance, headers={"X-Answer": "data"})
        self.assertEqual((response.json(), response.headers["Content-Type"]), ({"a": 1}, "application/json"))
        response = self.get("/text/7", maintenance, headers={"X-Answer": "none"})
        self.assertEqual((response.status_code, response.headers.get("Content-Length")), (204, None))
        self.assertEqual(self.ran, [])

    def test_replaces(self) -> None:
        """It replaces the response of a page, and the error of one."""

        async def other(call: Call, proceed: Proceed) -> Reply:
            try:
                await proceed(call)
            except ServiceError as error:
                raise Conflict(str(error.code)) from error
            return call.reply("other")

        self.assertEqual(self.get("/text/7", other).json(), "other")
        self.assertEqual(self.get("/own-404", other).status_code, 409)
        self.assertEqual(self.ran, ["text"])
        response = self.get("/made", other)
        self.assertEqual((response.json(), response.headers.get("Cache-Control")), ("other", None))

    def test_plain(self) -> None:
        """A plain function is one, and what it sets in ``meta`` is there for the page."""

        def tenant(call: Call, proceed: Proceed) -> Any:
            call.set_meta("tenant", "acme")
            return proceed(call)

        self.assertEqual(self.get("/text/7", tenant).text, "acme")

    def test_order(self) -> None:
        """The first is the outermost, and sees the error of the next; a user is found within them."""

        async def refuse(call: Call, proceed: Proceed) -> Reply:
            self.assertIsNone(call.request.user)
            reply = await proceed(call)
            assert isinstance(call.request.user, User)
            if call.request.user.name == "bob":
                raise Conflict("bob")
            return reply

        site = self.site(self.record, refuse, authenticate=ApiKey(at_once))
        for key, kind in (("ada", int), ("bob", Conflict), (None, Unauthorized)):
            headers = {} if key is None else {"X-API-Key": key}
            self.successResultOf(site.request("GET", "/user", headers=headers))
            self.assertIsInstance(self.seen[-1][3], kind)

    def test_cannot(self) -> None:
        """What it cannot do is logged as an error: another path, a stream, a reply after the beginning."""

        async def items() -> AsyncGenerator[bytes, None]:
            yield b"1"

        async def path(call: Call, proceed: Proceed) -> Reply:
            call.set_path("/ping")
            return await proceed(call)

        async def stream(call: Call, proceed: Proceed) -> Reply:
            return replace(call.reply(), items=items())

        for interceptor, kind in ((path, RuntimeError), (stream, TypeError)):
            self.assertEqual(self.get("/text/7", interceptor).status_code, 500)
            self.assertEqual(len(self.flushLoggedErrors(kind)), 1)

        async def late(call: Call, proceed: Proceed) -> Reply:
            await proceed(call)
            return call.reply("late")

        self.assertEqual(self.get("/started", late).content, b"some")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_started(self) -> None:
        """A page that has begun to write ends as without an interceptor."""
        response = self.get("/started")
        self.assertEqual((response.text, self.seen[-1][3]), ("some, more", 200))

    def test_cancelled(self) -> None:
        """A page that takes too long is cancelled within the interceptor."""
        site = self.site(self.record)
        waiting = site.request("GET", "/data")
        site.clock.advance(31)
        self.assertEqual(self.successResultOf(waiting).status_code, 504)
        self.assertIsInstance(self.seen[-1][3], BaseException)
