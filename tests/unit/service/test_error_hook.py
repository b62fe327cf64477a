"""The ``error_hook`` of an application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import svcs
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import GET, App, Group, NotFound, Request, RouteInfo, current_request_id
from unixsvc.errors import ConfigError, Internal
from unixsvc.testing import MemoryHandler, MemoryService


class NoLuck(Exception):
    """What actions raise here."""


def fail(id: int) -> None:
    """Fail."""
    raise NoLuck(id)


def internal() -> None:
    """Fail with a 500 of the application's own."""
    raise Internal("of our own")


def missing() -> None:
    """Reply with an error that callers see."""
    raise NotFound("as expected")


async def items(to: int) -> AsyncIterator[int]:
    """Fail after some items."""
    for number in range(to):
        yield number
    raise NoLuck("after them")


class HookTests(SynchronousTestCase):
    """Which exceptions a hook gets, and what it can do."""

    def setUp(self) -> None:
        """Make an application."""
        self.calls: list[tuple[BaseException, Request, RouteInfo | None]] = []
        self.ids: list[str] = []
        self.waits: Deferred[None] = Deferred()
        self.problem: BaseException | None = None
        self.service = MemoryService(self.app())

    def app(self, **options: Any) -> App:
        """The application."""

        async def wait() -> None:
            await self.waits
            raise NoLuck("later")

        routes = [
            GET("/fail/{id:int}", fail, title="Fail", meta={"team": "shop"}),
            GET("/blocking/{id:int}", fail, blocking=True),
            GET("/internal", internal),
            GET("/missing", missing),
            GET("/items", items),
            GET("/wait", wait),
        ]
        return App([Group("/x", None, routes)], **{"error_hook": self.hook} | options)

    def hook(self, error: BaseException, request: Request, route: RouteInfo | None) -> None:
        """Record the call."""
        self.calls.append((error, request, route))
        self.ids.append(current_request_id())
        if self.problem is not None:
            raise self.problem

    def failed(self, path: str) -> tuple[BaseException, Request, RouteInfo | None]:
        """The only call of the hook for a request that fails."""
        self.calls.clear()
        self.failureResultOf(self.service.call("GET", path, {}, meta={"request_id": "r1"}), Internal)
        self.flushLoggedErrors()
        [call] = self.calls
        return call

    def test_arguments(self) -> None:
        """It gets the exception itself, the request, and the route."""
        error, request, route = self.failed("/x/fail/7")
        self.assertEqual((type(error), error.args), (NoLuck, (7,)))
        self.assertEqual((request.method, request.path, request.request_id), ("GET", "/x/fail/7", "r1"))
        self.assertEqual(route, RouteInfo("GET", "/x/fail/{id:int}", "Fail", {"team": "shop"}))
        self.assertEqual(self.ids, ["r1"])

    def test_kinds(self) -> None:
        """It gets exceptions of all kinds of actions, and errors with code 500 that an action raises."""
        for path, kind in (("/x/blocking/7", NoLuck), ("/x/internal", Internal)):
            self.assertIsInstance(self.failed(path)[0], kind)
        waiting = self.service.call("GET", "/x/wait", {}, meta={"request_id": "r2"})
        self.waits.callback(None)
        self.failureResultOf(waiting, Internal)
        self.assertEqual(self.calls[-1][0].args, ("later",))
        self.assertEqual(self.ids[-1], "r2")
        self.flushLoggedErrors()

    def test_stream(self) -> None:
        """It gets the exception that ends a stream."""
        stream = self.service.stream("/x/items", to=2)
        self.service.clock.advance(0)
        self.failureResultOf(stream.ended, Internal)
        self.assertEqual((stream.items, len(self.calls)), ([0, 1], 1))
        self.flushLoggedErrors()

    def test_expected(self) -> None:
        """It does not get errors that callers see."""
        for path in ("/x/missing", "/x/none", "/x/fail/x"):
            self.failureResultOf(self.service.get(path), NotFound)
        self.assertEqual(self.calls, [])

    def test_mount(self) -> None:
        """For a path that belongs to no route, the route is None."""

        class Broken:
            def handle(self, request: Request) -> Any:
                raise NoLuck("in a datasource")

        self.service = MemoryService(self.app(mounts={"/mounted": Broken()}))
        self.assertIsNone(self.failed("/mounted/7")[2])

    def test_after_the_log(self) -> None:
        """It is called when the exception is logged."""
        with capturedLogs() as events:
            self.service = MemoryService(self.app(error_hook=lambda *_: self.ids.append(str(len(events)))))
            self.failureResultOf(self.service.get("/x/fail/7"), Internal)
        self.assertEqual(self.ids, [str(len(events))])
        self.flushLoggedErrors()

    def test_fails(self) -> None:
        """What it raises is logged under the request id, and the reply stays the same."""
        for problem in (ValueError("in the hook"), SystemExit(3), KeyboardInterrupt()):
            self.problem = problem
            with capturedLogs() as events:
                self.failed("/x/fail/7")
            last: LogEvent = events[-1]
            self.assertIs(last["log_failure"].value, problem)
            self.assertEqual((last["request_id"], last["log_namespace"]), ("r1", "memory"))
            self.assertEqual(self.successResultOf(self.service.get("/-/ping")), "pong")

    def test_http(self) -> None:
        """Over HTTP it gets the exceptions of actions, and of the application's own Klein routes."""

        def add(klein: Klein, container: svcs.Container) -> None:
            klein.route("/page")(lambda request: fail(8))

        handler = MemoryHandler(self.app(web=add), "unixsvc.rest.handler:HttpRequestHandler", security=None)
        self.successResultOf(handler.listen(probe=False))
        for path, argument, route in (
            ("/x/fail/7", 7, RouteInfo("GET", "/x/fail/{id:int}", "Fail", {"team": "shop"})),
            ("/page", 8, RouteInfo("GET", "/page")),
        ):
            connection, transport = handler.connect()
            token = handler.token.encode()
            connection.dataReceived(
                b"GET %b HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n"
                % (path.encode(), token)
            )
            self.assertIn(b"HTTP/1.1 500 ", transport.value())
            error, request, found = self.calls[-1]
            self.assertEqual((error.args, request.path, found), ((argument,), path, route))
        self.flushLoggedErrors()

    def test_wrong(self) -> None:
        """An async function, and an object that is no function, are refused at the start."""

        async def hook(error: BaseException, request: Request, route: RouteInfo | None) -> None:
            """Never called."""

        for wrong, words in ((hook, "is async"), (7, "is not a function")):
            with self.assertRaises(ConfigError) as caught:
                MemoryService(self.app(error_hook=cast(Any, wrong)))
            self.assertIn(f"error_hook: {words}", str(caught.exception))
