"""The public testing package."""

from __future__ import annotations

import functools
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any
from weakref import WeakSet

import msgspec
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort, IReactorTime, IStreamServerEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

import unixsvc.testing.log
from unixsvc import (
    DELETE,
    GET,
    PATCH,
    POST,
    PUT,
    App,
    Cancelled,
    DeadlineExceeded,
    Group,
    Invalid,
    NotFound,
    Unauthorized,
)
from unixsvc.config.settings import Limits, Security
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.errors import Internal
from unixsvc.testing import ImmediateRunner, MemoryEndpoint, MemoryHandler, MemoryService, MemoryTransport


def _decorated(action: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(action)
    def call(*arguments: Any, **named: Any) -> Any:
        return action(*arguments, **named)

    return call


class _Things:
    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def show(self, id: int) -> int:
        if id > 9:
            raise NotFound(f"no thing {id}")
        return id

    def block(self, id: int, words: list[str]) -> list[str]:
        return words * id

    async def wait(self, seconds: float) -> str:
        await deferLater(self._reactor, seconds)
        return "done"

    @_decorated
    async def hidden(self) -> str:
        return "found"

    def raw(self) -> msgspec.Raw:
        return msgspec.Raw(b'{\n"a":\n1}')

    async def fail(self) -> None:
        raise RuntimeError("inside")

    async def count(self, to: int) -> AsyncIterator[int]:
        for each in range(to):
            yield each
        raise NotFound("the rest")

    async def tick(self) -> AsyncIterator[int]:
        for each in range(2):
            await deferLater(self._reactor, 1)
            yield each


_APP = App(
    [
        Group(
            "/thing",
            _Things,
            [
                GET("/{id:int}", _Things.show, public=True),
                PUT("/{id:int}", _Things.block, blocking=True),
                POST("/wait", _Things.wait),
                PATCH("/wait", _Things.wait),
                DELETE("", _Things.fail),
                GET("/raw", _Things.raw),
                GET("/hidden", _Things.hidden),
                GET("/count", _Things.count),
                GET("/tick", _Things.tick),
            ],
        )
    ]
)


class MemoryHandlerTests(SynchronousTestCase):
    """A request handler in memory, here the built-in one."""

    def start(self, **settings: Any) -> MemoryHandler:
        """A handler that listens."""
        service = MemoryHandler(_APP, "unixsvc.server.handler:SocketRequestHandler", **settings)
        self.assertRaises(ConnectionRefusedError, service.connect)
        self.successResultOf(service.listen(probe=False))
        return service

    def test_request(self) -> None:
        """Bytes are requests, and replies are bytes."""
        service = self.start()
        connection, transport = service.connect()
        token = service.token.encode()
        connection.dataReceived(b'{"id": 1, "path": "/thing/7", "auth_token": "%b"}\n' % token)
        self.assertEqual(transport.lines(), [{"id": 1, "code": 200, "data": 7}])
        connection.connectionLost()

    def test_settings(self) -> None:
        """Limits and security settings are those of the service."""
        connection, transport = self.start(security=Security(allow_uids=(1,))).connect()
        self.assertIn(b"403", transport.value())
        connection, transport = self.start(limits=Limits(max_message_bytes=64)).connect()
        connection.dataReceived(b"x" * 65)
        self.assertIn(b"413", transport.value())

    def test_drain(self) -> None:
        """It drains as in a worker."""
        service = self.start()
        connection, transport = service.connect()
        drained = service.drain()
        service.clock.pump([0.1] * 20)
        self.assertEqual(transport.closed, "lose")
        connection.connectionLost()
        service.clock.pump([0.1] * 20)
        self.successResultOf(drained)


class LogTests(SynchronousTestCase):
    """The log of a service in memory."""

    def say(self) -> None:
        """Log by both ways."""
        logging.getLogger("shop").info("sold", extra={"product": 7})
        Logger("shop").warn("nothing is left")

    def test_records(self) -> None:
        """It has the records of the actions with their levels, request ids and fields, until it is closed."""
        service = MemoryService(App([GET("/", self.say)]))
        self.successResultOf(service.call("GET", "/", {}, meta={"request_id": "r1"}))
        sold, left = service.log
        self.assertEqual((sold.level, sold.namespace, sold.message), ("info", "shop", "sold"))
        self.assertEqual((sold.request_id, sold.fields), ("r1", {"product": 7}))
        self.assertEqual((left.level, left.message, left.request_id), ("warn", "nothing is left", "r1"))
        self.successResultOf(service.close())
        self.say()
        self.assertEqual(len(service.log), 2)

    def test_failure(self) -> None:
        """It has the exceptions that callers do not see, with their tracebacks."""
        service = MemoryService(_APP)
        self.failureResultOf(service.delete("/thing"), Internal)
        [record] = service.log
        self.assertEqual(
            (record.level, record.message), ("error", "DELETE /thing failed: RuntimeError('inside')")
        )
        self.assertIn("test_testing.py", record.traceback)
        self.flushLoggedErrors(RuntimeError)

    def test_handler(self) -> None:
        """A handler in memory has a log as well."""
        handler = MemoryHandler(App([GET("/", self.say)]), "unixsvc.server.handler:SocketRequestHandler")
        self.successResultOf(handler.listen(probe=False))
        connection, _ = handler.connect()
        connection.dataReceived(b'{"id": 1, "path": "/", "auth_token": "%b"}\n' % handler.token.encode())
        self.assertEqual([each.message for each in handler.log], ["sold", "nothing is left"])
        connection.connectionLost()
        drained = handler.drain()
        handler.clock.pump([0.1] * 20)
        self.successResultOf(drained)
        self.say()
        self.assertEqual(len(handler.log), 2)

    def test_several(self) -> None:
        """Each event is there once, however many services there are."""
        services = [MemoryService(App([GET("/", self.say)])) for _ in range(3)]
        self.successResultOf(services[0].get("/"))
        for service in services:
            self.assertEqual(len(service.log), 2)

    def test_level(self) -> None:
        """The level of the root logger is that of a worker meanwhile, unless the test has chosen one."""
        self.patch(unixsvc.testing.log, "_captures", WeakSet())  # without the services of other tests
        self.patch(unixsvc.testing.log, "_source", unixsvc.testing.log._Source())
        root = logging.getLogger()
        handlers = [*root.handlers]
        for level, meanwhile in ((logging.WARNING, logging.INFO), (logging.ERROR, logging.ERROR)):
            self.patch(root, "level", level)
            service = MemoryService(_APP)
            self.assertEqual((root.level, len(root.handlers)), (meanwhile, len(handlers) + 1))
            self.successResultOf(service.close())
            self.assertEqual((root.level, root.handlers), (level, handlers))


class MemoryServiceTests(SynchronousTestCase):
    """A service in memory behaves like a real one."""

    def setUp(self) -> None:
        """Make a service."""
        self.service = MemoryService(_APP)

    def test_interfaces(self) -> None:
        """The parts in memory provide the interfaces of the real ones."""
        verifyObject(IStreamServerEndpoint, MemoryEndpoint())
        verifyObject(IListeningPort, MemoryEndpoint())
        verifyObject(IBlockingRunner, ImmediateRunner())

    def test_result(self) -> None:
        """A result is decoded; blocking functions run at once."""
        self.assertEqual(self.successResultOf(self.service.get("/thing/7")), 7)
        self.assertEqual(self.successResultOf(self.service.put("/thing/2", words=["a"])), ["a", "a"])

    def test_decorated(self) -> None:
        """An async action behind a plain decorator is awaited."""
        self.assertEqual(self.successResultOf(self.service.get("/thing/hidden")), "found")

    def test_lines_of_raw(self) -> None:
        """JSON with line ends that an action has encoded is one message."""
        self.assertEqual(self.successResultOf(self.service.get("/thing/raw")), {"a": 1})

    def test_errors(self) -> None:
        """An error is that of a client, with its detail."""
        self.assertEqual(
            self.failureResultOf(self.service.get("/thing/10"), NotFound).value.detail, "no thing 10"
        )
        [problem] = self.failureResultOf(self.service.post("/thing/wait"), Invalid).value.detail
        self.assertEqual(problem["field"], "seconds")

    def test_inside(self) -> None:
        """Internal details do not reach the caller; they are logged."""
        error = self.failureResultOf(self.service.delete("/thing"), Internal).value
        self.assertIsNone(error.detail)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_cause(self) -> None:
        """The cause of a 500 is what the action has raised; other errors have none."""
        for _ in range(2):
            error = self.failureResultOf(self.service.delete("/thing"), Internal).value
            self.assertIsInstance(error.__cause__, RuntimeError)
            self.assertEqual(str(error.__cause__), "inside")
        self.flushLoggedErrors(RuntimeError)
        self.assertIsNone(self.failureResultOf(self.service.get("/thing/10"), NotFound).value.__cause__)

    def test_causes_of_many(self) -> None:
        """Each of several pending calls gets its own cause."""
        waits: dict[int, Deferred[None]] = {1: Deferred(), 2: Deferred()}

        async def fail(id: int) -> None:
            await waits[id]
            raise RuntimeError(id)

        service = MemoryService(App([GET("/{id:int}", fail)]))
        pending = [service.call("GET", f"/{number}", {}, meta={"a": "b"}) for number in waits]
        for number in (2, 1):
            waits[number].callback(None)
        causes = [self.failureResultOf(each, Internal).value.__cause__ for each in pending]
        self.assertEqual([getattr(cause, "args", None) for cause in causes], [(1,), (2,)])
        self.flushLoggedErrors(RuntimeError)

    def test_cause_of_stream(self) -> None:
        """So has a stream."""

        async def broken() -> AsyncIterator[int]:
            yield 1
            raise RuntimeError("in a stream")

        stream = MemoryService(App([GET("/", broken)])).stream("/")
        error = self.failureResultOf(stream.ended, Internal).value
        self.assertEqual(str(error.__cause__), "in a stream")
        self.flushLoggedErrors(RuntimeError)

    def test_time(self) -> None:
        """The test advances the clock; deadlines apply."""
        waiting = self.service.patch("/thing/wait", seconds=5)
        late = self.service.call("POST", "/thing/wait", {"seconds": 5}, timeout=1)
        self.service.clock.advance(2)
        self.assertNoResult(waiting)
        self.failureResultOf(late, DeadlineExceeded)
        self.service.clock.advance(3)
        self.assertEqual(self.successResultOf(waiting), "done")

    def test_idle(self) -> None:
        """Its client may be idle for hours, before its first call and after it."""
        for _ in range(2):
            for _ in range(4):
                self.service.clock.advance(3600)
            self.assertEqual(self.successResultOf(self.service.get("/thing/3")), 3)

    def test_stream(self) -> None:
        """Items of a stream arrive in order, followed by its end."""
        stream = self.service.stream("/thing/tick")
        self.assertEqual(stream.items, [])
        self.service.clock.advance(1)
        self.assertEqual(stream.items, [0])
        self.assertNoResult(stream.ended)
        self.service.clock.advance(1)
        self.assertEqual(stream.items, [0, 1])
        self.assertIsNone(self.successResultOf(stream.ended))

    def test_stream_that_fails(self) -> None:
        """An error comes after the items before it; invalid arguments are an error before any item."""
        stream = self.service.stream("/thing/count", to=100)
        self.service.clock.advance(0)
        self.assertEqual(stream.items, list(range(100)))
        self.assertEqual(self.failureResultOf(stream.ended, NotFound).value.detail, "the rest")
        self.failureResultOf(self.service.stream("/thing/count", to="x").ended, Invalid)

    def test_credit(self) -> None:
        """A stream sends no more items than it has credit for, and can be cancelled."""
        stream = self.service.stream("/thing/count", 2, to=100)
        self.assertEqual(stream.items, [0, 1])
        stream.grant(1)
        self.service.clock.advance(0)
        self.assertEqual(stream.items, [0, 1, 2])
        self.assertEqual(self.successResultOf(self.service.get("/thing/7")), 7)
        stream.cancel()
        self.failureResultOf(stream.ended, Cancelled)

    def test_token(self) -> None:
        """A client without a token is rejected according to the policy."""
        self.failureResultOf(MemoryService(_APP, token=None).get("/thing/7"), Unauthorized)
        private = MemoryService(_APP, token=None, security=Security(token="private"))
        self.assertEqual(self.successResultOf(private.get("/thing/7")), 7)
        self.failureResultOf(private.delete("/thing"), Unauthorized)

    def test_limits(self) -> None:
        """The limits of the service apply."""
        service = MemoryService(_APP, limits=Limits(request_timeout=1))
        waiting = service.post("/thing/wait", seconds=5)
        service.clock.advance(1)
        self.failureResultOf(waiting, DeadlineExceeded)

    def test_collected(self) -> None:
        """The garbage collector may take a transport apart in any order."""
        transport = MemoryTransport()
        transport.io.close()
        transport.write(b"goodbye")

    def test_close(self) -> None:
        """It closes like a worker, before and after requests."""
        unused: Deferred[None] = MemoryService(_APP).close()
        self.assertIsNone(self.successResultOf(unused))
        self.successResultOf(self.service.get("/thing/7"))
        self.assertIsNone(self.successResultOf(self.service.close()))

    def test_close_while_waiting(self) -> None:
        """A pending action is answered if it ends in time, and cancelled otherwise."""
        soon, late = (self.service.post("/thing/wait", seconds=seconds) for seconds in (1, 9))
        closed = self.service.close()
        self.assertEqual(self.successResultOf(soon), "done")
        self.assertNoResult(late)
        self.assertIsNone(self.successResultOf(closed))

    def test_health(self) -> None:
        """It has the built-in routes, and does not start with a health check."""
        self.assertEqual(
            self.successResultOf(self.service.get("/-/health")), {"status": "ok", "service": "memory"}
        )
        fresh = self.successResultOf(MemoryService(_APP).get("/-/stats"))
        self.assertEqual((fresh["requests"], fresh["connections"]), (0, 1))

    def test_turned_off(self) -> None:
        """An endpoint in memory knows whether it listens."""
        endpoint = MemoryEndpoint()
        self.assertFalse(endpoint.listening)
        self.successResultOf(endpoint.listen(Factory()))
        self.assertTrue(endpoint.listening)
        self.successResultOf(endpoint.stopListening())
        self.assertFalse(endpoint.listening)
