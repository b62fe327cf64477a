"""Interceptors on the client's side."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from typing import Any, cast

from msgspec import Raw, Struct
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import (
    GET,
    POST,
    App,
    BadGateway,
    Call,
    Client,
    Created,
    DeadlineExceeded,
    Group,
    IServices,
    NotFound,
    Proceed,
    Reply,
    Request,
    Unavailable,
)
from unixsvc.client.blocking.intercepted import blocking_items, later_items, run_now
from unixsvc.client.events import ItemReceived
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.errors import ConfigError
from unixsvc.testing import MemoryService


class Item(Struct):
    """A result."""

    id: int


def show(id: int, request: Request) -> dict[str, str | int]:
    """Return the argument and what the client has sent."""
    return {"id": id, "by": request.meta.get("by", ""), "query": request.query}


def create(id: int) -> Created[Item]:
    """Create something."""
    return Created(Item(id), f"/items/{id}")


def fail() -> None:
    """Fail."""
    raise NotFound("as always")


async def items(to: int) -> AsyncIterator[int]:
    """Yield numbers."""
    for number in range(to):
        yield number


OTHER = App([GET("/show/{id:int}", show), POST("/create", create), GET("/fail", fail), GET("/items", items)])


class ClientTests(SynchronousTestCase):
    """The Twisted client."""

    def setUp(self) -> None:
        """Start a service."""
        self.clock = Clock()
        self.service = MemoryService(OTHER, clock=self.clock)
        self.seen: list[object] = []

    def client(self, *interceptors: Any) -> Client:
        """A client."""
        client = self.service.client(interceptors=interceptors or [self.record])
        self.addCleanup(client.close)
        return client

    async def record(self, call: Call, proceed: Proceed) -> Reply:
        """Record a call, and add an entry of meta."""
        call.set_meta("by", "me")
        try:
            reply = await proceed(call)
        except Exception as error:
            self.seen.append(error)
            raise
        self.seen.append((call.side, call.request.method, call.request.path, reply.code, reply.items is None))
        return reply

    def test_call(self) -> None:
        """It sees a call and its result, and adds meta; the result has the type of the argument."""
        client = self.client()
        found = self.successResultOf(client.get("/show/7"))
        self.assertEqual(found, {"id": 7, "by": "me", "query": ""})
        self.assertEqual(self.successResultOf(client.get("/show/7", type=Item)), Item(7))
        self.assertEqual(self.seen, [("client", "GET", "/show/7", 200, True)] * 2)

    def test_query(self) -> None:
        """The query of a path stays."""
        found = cast(Any, self.successResultOf(self.client().get("/show/7?a=b")))
        self.assertEqual(found["query"], "a=b")

    def test_error(self) -> None:
        """An error is raised in it, and by the call."""
        self.failureResultOf(self.client().get("/fail"), NotFound)
        self.assertIsInstance(self.seen[0], NotFound)

    def test_answers(self) -> None:
        """It answers without a call of the service, or with another error, and may proceed again."""

        async def answer(call: Call, proceed: Proceed) -> Reply:
            if call.request.path == "/fail":
                for _ in range(2):
                    try:
                        await proceed(call)
                    except NotFound:
                        self.seen.append("again")
                raise Unavailable
            return call.reply({"id": 9})

        client = self.client(answer)
        self.assertEqual(self.successResultOf(client.get("/show/7", type=Item)), Item(9))
        self.failureResultOf(client.get("/fail"), Unavailable)
        self.assertEqual(self.seen, ["again"] * 2)

    def test_timeout(self) -> None:
        """What an interceptor takes is part of the timeout of the call."""
        gate: Deferred[None] = Deferred()

        async def wait(call: Call, proceed: Proceed) -> Reply:
            await gate
            call._started -= 5
            return await proceed(call)

        calling = self.client(wait).call("GET", "/show/7", timeout=5)
        gate.callback(None)
        self.failureResultOf(calling, DeadlineExceeded)

    def test_stream(self) -> None:
        """It sees a stream, which it can wrap; the stream is requested when its first item is."""

        async def double(call: Call, proceed: Proceed) -> Reply:
            reply = await proceed(call)
            assert reply.items is not None
            return replace(reply, items=doubled(reply.items))

        async def doubled(found: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
            async for item in found:
                yield b"%d" % (2 * int(item))

        stream = self.client(self.record, double).stream("GET", "/items", {"to": 3}, type=int)
        self.assertEqual(self.seen, [])

        async def read() -> list[int]:
            return [item async for item in stream]

        reading = Deferred.fromCoroutine(read())
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(reading), [0, 2, 4])
        self.assertEqual(self.seen, [("client", "GET", "/items", 200, False)])

    def test_closed_stream(self) -> None:
        """A stream that is left early is cancelled, and has no more items."""
        stream = self.client().stream("GET", "/items", {"to": 3})

        async def read() -> list[object]:
            async with stream:
                first = await stream.__anext__()
            return [first, *[item async for item in stream]]

        reading = Deferred.fromCoroutine(read())
        self.clock.advance(0)
        self.assertEqual(self.successResultOf(reading), [0])

    def test_wrong_kind(self) -> None:
        """A result for a stream, or a stream for a result, is a BadGateway."""

        async def result(call: Call, proceed: Proceed) -> Reply:
            return call.reply(7)

        async def endless(call: Call, proceed: Proceed) -> Reply:
            async def found() -> AsyncGenerator[bytes, None]:
                yield b"1"

            return Reply(items=found())

        stream = self.client(result).stream("GET", "/items", {"to": 3})
        self.failureResultOf(Deferred.fromCoroutine(stream.__anext__()), BadGateway)
        self.failureResultOf(self.client(endless).get("/show/7"), BadGateway)

    def test_open(self) -> None:
        """A call whose reply may be a stream goes through interceptors, too."""
        client = self.client()
        created = self.successResultOf(client.open("POST", "/create", {"id": 7}))
        self.assertEqual(created, Created(Raw(b'{"id":7}'), "/items/7"))
        self.assertEqual(len(self.seen), 1)

    def test_wrong(self) -> None:
        """Something that cannot be called is an error at once."""
        self.assertRaises(ConfigError, self.client, 7)


class ServicesTests(SynchronousTestCase):
    """Calls of actions, and of mounts, to other services."""

    def setUp(self) -> None:
        """Start a service that calls another."""
        self.clock = Clock()
        self.seen: list[tuple[str, str, str]] = []
        self.other = MemoryService(OTHER, clock=self.clock)

    async def record(self, call: Call, proceed: Proceed) -> Reply:
        """Record a call, and add an entry of meta."""
        call.set_meta("by", "us")
        reply = await proceed(call)
        self.seen.append((call.service, call.request.path, call.request.request_id))
        return reply

    def service(self) -> MemoryService:
        """The service."""

        class Asking:
            def __init__(self, services: IServices) -> None:
                self._services = services

            async def ask(self, id: int) -> Any:
                return await self._services.get("other", f"/show/{id}")

            async def count(self) -> AsyncIterator[int]:
                async for item in self._services.stream("other", "GET", "/items", {"to": 2}, type=int):
                    yield item

        routes = [GET("/ask/{id:int}", Asking.ask), GET("/count", Asking.count)]
        app = App([Group("", Asking, routes)], client_interceptors=[self.record], mounts={"/m": "other:/"})
        return MemoryService(app, services={"other": self.other}, clock=self.clock)

    def test_calls(self) -> None:
        """They go through the interceptors, with the id of the request."""
        service = self.service()
        meta = {"request_id": "r1"}
        found = cast(Any, self.successResultOf(service.call("GET", "/ask/7", {}, meta=meta)))
        self.assertEqual(found, {"id": 7, "by": "us", "query": ""})
        mounted = cast(Any, self.successResultOf(service.call("GET", "/m/show/8?a=1", {}, meta=meta)))
        self.assertEqual(mounted, {"id": 8, "by": "us", "query": "a=1"})
        self.assertEqual(self.seen, [("other", "/show/7", "r1"), ("other", "/show/8", "r1")])

    def test_streams(self) -> None:
        """So do streams, of actions and through mounts."""
        service = self.service()
        for path, arguments in (("/count", {}), ("/m/items", {"to": 2})):
            stream = service.stream(path, **arguments)
            self.clock.pump([0] * 5)
            self.successResultOf(stream.ended)
            self.assertEqual(stream.items, [0, 1])
        self.assertEqual([each[1] for each in self.seen], ["/items"] * 2)


class BlockingTests(SynchronousTestCase):
    """The parts of the blocking client that run interceptors without an event loop."""

    def test_waits(self) -> None:
        """An interceptor that waits for something else is an error that says so."""

        async def wait() -> Reply:
            await Deferred()
            return Reply()

        self.assertIn("nothing but proceed(call)", str(self.assertRaises(TypeError, run_now, wait())))

    def test_items(self) -> None:
        """A stream passes through an interceptor item by item, and is closed with its reader."""
        closed: list[int] = []
        heads: list[ReplyHead] = []

        def numbers() -> Any:
            try:
                yield ItemReceived(1, Raw(b"1"), ReplyHead(201))
                yield ItemReceived(1, Raw(b"2"))
            finally:
                closed.append(1)
            return Raw(b"null")

        async def request() -> Reply:
            return Reply(items=later_items(numbers(), heads))

        def requested() -> Awaitable[Reply]:
            return request()

        found = [(bytes(each.data), each.head) for each in blocking_items(requested, heads)]
        self.assertEqual(found, [(b"1", ReplyHead(201)), (b"2", None)])
        reader = blocking_items(requested, heads)
        next(reader)
        reader.close()
        self.assertEqual(closed, [1, 1])
