"""Interceptors on the server's side."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any, cast

import svcs
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import (
    GET,
    POST,
    App,
    Call,
    Conflict,
    DeadlineExceeded,
    Interceptor,
    NotFound,
    Proceed,
    Reply,
    Request,
    RouteInfo,
    ServiceContext,
    Unavailable,
)
from unixsvc.domain.message import Reply as DomainReply
from unixsvc.errors import ConfigError, Internal
from unixsvc.testing import MemoryService


class NoLuck(Exception):
    """An exception of an action."""


class Recorder:
    """An interceptor that records the calls."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, RouteInfo | None, object]] = []

    async def __call__(self, call: Call, proceed: Proceed) -> Reply:
        """Record a call and its outcome."""
        outcome: object = None
        try:
            reply = await proceed(call)
            outcome = reply.code
            return reply
        except BaseException as error:
            outcome = error
            raise
        finally:
            self.seen.append((call.side, call.request.path, call.route, outcome))


class Mounted:
    """A datasource that replies with an error."""

    def handle(self, request: Request) -> Any:
        """Reply with an error that has details."""
        return DomainReply(500 if request.path.endswith("500") else 409, b"", "Sold out", {"left": 0})


class InterceptorTests(SynchronousTestCase):
    """An application with interceptors."""

    def setUp(self) -> None:
        """Record calls."""
        self.recorder = Recorder()
        self.waits: Deferred[str] = Deferred()
        self.ended: list[str] = []
        self.requests: list[Request] = []

    def service(self, *interceptors: Interceptor | type, **options: Any) -> MemoryService:
        """A service with actions of all kinds."""

        def plain(id: int) -> int:
            return id

        async def wait() -> str:
            return await self.waits

        async def items(to: int) -> AsyncIterator[int]:
            try:
                for number in range(to):
                    yield number
            finally:
                self.ended.append("items")

        def fail() -> None:
            raise NoLuck

        def sold() -> None:
            raise Conflict({"left": 0})

        def tenant(request: Request) -> str:
            self.requests.append(request)
            return request.meta.get("tenant", "")

        def later(request: Request) -> None:
            request.background(self.ended.append, "background")

        routes = [
            GET("/plain/{id:int}", plain, title="Plain"),
            GET("/wait", wait),
            GET("/items", items),
            GET("/fail", fail),
            GET("/sold", sold),
            GET("/tenant", tenant),
            POST("/later", later),
        ]
        return MemoryService(
            App(
                routes,
                interceptors=interceptors or [self.recorder],
                mounts={"/mounted": Mounted()},
                **options,
            )
        )

    def test_sees(self) -> None:
        """It sees the request, the route and the result of actions that return at once or wait."""
        service = self.service()
        self.assertEqual(self.successResultOf(service.get("/plain/7")), 7)
        waiting = service.get("/wait")
        self.assertNoResult(waiting)
        self.waits.callback("done")
        self.assertEqual(self.successResultOf(waiting), "done")
        self.assertEqual(
            self.recorder.seen,
            [
                ("server", "/plain/7", RouteInfo("GET", "/plain/{id:int}", "Plain"), 200),
                ("server", "/wait", RouteInfo("GET", "/wait"), 200),
            ],
        )

    def test_errors(self) -> None:
        """Errors are exceptions: those for callers, those of actions as raised, and those of mounts."""
        service = self.service()
        for path, kind, seen in (
            ("/sold", Conflict, Conflict),
            ("/fail", Internal, NoLuck),
            ("/none", NotFound, NotFound),
            ("/mounted/x", Conflict, Conflict),
        ):
            self.failureResultOf(service.get(path), kind)
            self.assertIsInstance(self.recorder.seen[-1][3], seen)
        self.assertEqual(len(self.flushLoggedErrors(NoLuck)), 1)

    def test_error_of_mount_unchanged(self) -> None:
        """An error reply of a mount is the same as without interceptors: its details, and no log of a 500."""
        hooked: list[object] = []
        service = self.service(error_hook=lambda *arguments: hooked.append(arguments))
        failure = self.failureResultOf(service.get("/mounted/x"), Conflict)
        self.assertEqual(failure.value.detail, {"left": 0})
        self.failureResultOf(service.get("/mounted/500"), Internal)
        self.assertEqual((hooked, self.flushLoggedErrors()), ([], []))

    def test_order(self) -> None:
        """The first interceptor is the outermost."""
        order: list[str] = []

        def named(name: str) -> Interceptor:
            async def interceptor(call: Call, proceed: Proceed) -> Reply:
                order.append(f"{name} before")
                reply = await proceed(call)
                order.append(f"{name} after")
                return reply

            return interceptor

        self.successResultOf(self.service(named("a"), named("b")).get("/plain/7"))
        self.assertEqual(order, ["a before", "b before", "b after", "a after"])

    def test_plain(self) -> None:
        """A plain function passes the call on, or raises."""

        def refuse(call: Call, proceed: Proceed) -> Awaitable[Reply]:
            if call.request.path == "/tenant":
                raise Unavailable(60)
            return proceed(call)

        service = self.service(refuse, self.recorder)
        self.assertEqual(self.successResultOf(service.get("/plain/7")), 7)
        self.failureResultOf(service.get("/tenant"), Unavailable)
        self.assertEqual(len(self.recorder.seen), 1)

    def test_answers(self) -> None:
        """It answers instead of the action, also for a path without a route, or changes the result."""

        async def answer(call: Call, proceed: Proceed) -> Reply:
            if call.request.path == "/own":
                return call.reply({"text": "a\nb"})
            reply = await proceed(call)
            return replace(reply, body=b"8")

        service = self.service(answer)
        self.assertEqual(self.successResultOf(service.get("/own")), {"text": "a\nb"})
        self.assertEqual(self.successResultOf(service.get("/plain/7")), 8)

    def test_turns_errors(self) -> None:
        """What it makes of an exception is the reply; the exception is then neither logged nor reported."""
        hooked: list[object] = []

        async def rescue(call: Call, proceed: Proceed) -> Reply:
            try:
                return await proceed(call)
            except NoLuck:
                raise Conflict("no luck") from None
            except Conflict:
                return call.reply("sold")

        service = self.service(rescue, error_hook=lambda *arguments: hooked.append(arguments))
        self.assertEqual(self.failureResultOf(service.get("/fail"), Conflict).value.detail, "no luck")
        self.assertEqual(self.successResultOf(service.get("/sold")), "sold")
        self.assertEqual((hooked, self.flushLoggedErrors()), ([], []))

    def test_fails(self) -> None:
        """An exception of its own is a 500, which is logged and reported; so is a result that is no reply."""
        hooked: list[BaseException] = []

        async def fail(call: Call, proceed: Proceed) -> Reply:
            if call.request.path == "/tenant":
                raise NoLuck
            return cast(Reply, None)

        service = self.service(fail, error_hook=lambda error, request, route: hooked.append(error))
        self.failureResultOf(service.get("/tenant"), Internal)
        self.failureResultOf(service.get("/plain/7"), Internal)
        self.assertEqual([type(each) for each in hooked], [NoLuck, TypeError])
        self.assertIn("fail has returned a NoneType: it must return a Reply", str(hooked[1]))
        self.flushLoggedErrors()

    def test_meta(self) -> None:
        """An entry of meta reaches the action, in the request that the framework knows, too."""

        async def tenant(call: Call, proceed: Proceed) -> Reply:
            call.set_meta("tenant", "acme")
            return await proceed(call)

        service = self.service(tenant)
        self.assertEqual(self.successResultOf(service.get("/tenant")), "acme")
        self.assertIn("request_id", self.requests[0].meta)

    def test_path(self) -> None:
        """Another path is served by its own route or mount."""

        async def move(call: Call, proceed: Proceed) -> Reply:
            call.set_path("/plain/9" if call.request.path == "/old" else "/mounted/x")
            return await proceed(call)

        service = self.service(move)
        self.assertEqual(self.successResultOf(service.get("/old")), 9)
        self.failureResultOf(service.get("/plain/7"), Conflict)

    def test_background(self) -> None:
        """Background work of the action starts after the reply, as without interceptors."""
        service = self.service()
        self.successResultOf(service.post("/later"))
        service.clock.advance(0)
        self.assertEqual(self.ended, ["background"])

    def test_waits(self) -> None:
        """It may wait; the deadline of the request applies to it, and is raised there."""
        gates: list[Deferred[None]] = []

        async def wait(call: Call, proceed: Proceed) -> Reply:
            gates.append(Deferred())
            await gates[-1]
            return await proceed(call)

        service = self.service(self.recorder, wait)
        call = service.get("/plain/7")
        late = service.call("GET", "/plain/8", {}, timeout=3.0)
        self.assertNoResult(call)
        service.clock.advance(3)
        self.failureResultOf(late, DeadlineExceeded)
        gates[0].callback(None)
        self.assertEqual(self.successResultOf(call), 7)
        self.assertEqual(getattr(self.recorder.seen[0][3], "code", None), 504)

    def test_stream(self) -> None:
        """It sees the beginning of a stream, and can wrap the items; closing the stream closes the action."""
        counts: list[int] = []

        async def counted(items: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
            count = 0
            try:
                async with aclosing(items):
                    async for item in items:
                        count += 1
                        yield item
            finally:
                counts.append(count)

        async def count(call: Call, proceed: Proceed) -> Reply:
            reply = await proceed(call)
            return reply if reply.items is None else replace(reply, items=counted(reply.items))

        service = self.service(count)
        stream = service.stream("/items", to=3)
        service.clock.advance(0)
        self.successResultOf(stream.ended)
        self.assertEqual((stream.items, counts, self.ended), ([0, 1, 2], [3], ["items"]))
        stopped = service.stream("/items", 2, to=9)
        service.clock.advance(0)
        stopped.cancel()
        self.failureResultOf(stopped.ended)
        self.assertEqual((stopped.items, counts, self.ended), ([0, 1], [3, 2], ["items", "items"]))

    def test_builtin(self) -> None:
        """The built-in routes have none, so that no interceptor makes a worker fail its health check."""
        service = self.service()
        self.assertEqual(self.successResultOf(service.get("/-/ping")), "pong")
        self.assertEqual(self.recorder.seen, [])

    def test_class(self) -> None:
        """A class is made once, with arguments from the container."""
        made: list[str] = []

        class Named:
            def __init__(self, name: str) -> None:
                made.append(name)

            async def __call__(self, call: Call, proceed: Proceed) -> Reply:
                return await proceed(call)

        def register(registry: svcs.Registry, context: ServiceContext) -> None:
            registry.register_value(str, "from the container")

        service = self.service(Named, container=register)
        for _ in range(2):
            self.assertEqual(self.successResultOf(service.get("/plain/7")), 7)
        self.assertEqual(made, ["from the container"])

    def test_header_injection(self) -> None:
        """A header with a line end, or one that the server sets, is a 500, and is not sent."""
        for name, value in (("X-A", "a\r\nSet-Cookie: b"), ("X-A\r\nB", "c"), ("Content-Length", "0")):

            async def inject(call: Call, proceed: Proceed, name: str = name, value: str = value) -> Reply:
                call.add_reply_header(name, value)
                return await proceed(call)

            self.failureResultOf(self.service(inject).get("/plain/7"), Internal)
            self.flushLoggedErrors()

    def test_wrong(self) -> None:
        """Something that cannot be called is an error at the start."""
        error = self.assertRaises(ConfigError, self.service, cast(Any, 7))
        self.assertIn("interceptors: has a int, which cannot be called", str(error))

    def test_other_call(self) -> None:
        """An object that is not the call is refused, with the reason in the log."""

        async def other(call: Call, proceed: Proceed) -> Reply:
            return await proceed(Call(call.service, call.request, "server"))

        self.failureResultOf(self.service(other).get("/plain/7"), Internal)
        [failure] = self.flushLoggedErrors(TypeError)
        self.assertIn("proceed() takes the call", str(failure.value))

    def test_seconds(self) -> None:
        """The time of a call is that since its start."""
        seconds: list[float] = []

        async def measure(call: Call, proceed: Proceed) -> Reply:
            reply = await proceed(call)
            seconds.append(call.seconds)
            return reply

        service = self.service(measure)
        waiting = service.get("/wait")
        service.clock.advance(2)
        self.waits.callback("x")
        self.successResultOf(waiting)
        self.assertEqual(seconds, [2.0])
