"""The calls of a service in memory, in tests of every style."""

from __future__ import annotations

import asyncio
import unittest
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase

from unixsvc import GET, App, Group, NotFound, ServiceContext
from unixsvc.errors import Cancelled, ConfigError
from unixsvc.testing import MemoryService, ServiceFactory

_errors: list[Exception] = []


class _Waiting:
    def __init__(self, reactor: IReactorTime) -> None:
        self._reactor = reactor

    async def show(self, id: int) -> int:
        if id > 9:
            raise NotFound(f"no thing {id}")
        return id

    async def sleep(self, seconds: float) -> str:
        try:
            await asyncio.sleep(seconds)
        except Exception as error:
            _errors.append(error)
            raise
        return "slept"

    async def late(self) -> str:
        await deferLater(self._reactor, 5)
        await asyncio.sleep(0)
        return "late"

    async def count(self) -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number


_APP = App(
    [
        Group(
            "",
            _Waiting,
            [
                GET("/things/{id:int}", _Waiting.show),
                GET("/sleep", _Waiting.sleep),
                GET("/late", _Waiting.late),
                GET("/count", _Waiting.count),
            ],
        )
    ]
)


class WaitTests(SynchronousTestCase):
    """A test without an event loop."""

    def setUp(self) -> None:
        """Make a service, which a fixture of pytest would close."""
        self.factory = ServiceFactory()
        self.service = self.factory(_APP)

    def tearDown(self) -> None:
        """Close the service: at once, as nothing runs any more."""
        self.successResultOf(self.factory.close())

    def test_result(self) -> None:
        """``wait()`` returns the result or raises the error, as often as it is called."""
        call, failed = self.service.get("/things/7"), self.service.get("/things/70")
        for _ in range(2):
            self.assertEqual(call.wait(), 7)
            self.assertEqual(self.assertRaises(NotFound, failed.wait).detail, "no thing 70")

    def test_asyncio(self) -> None:
        """The event loop of the factory runs until an action or a stream that waits for it has ended."""
        self.assertEqual(self.service.get("/sleep", seconds=0.01).wait(), "slept")
        stream = self.service.stream("/count")
        stream.ended.wait()
        self.assertEqual(stream.items, [0, 1, 2])

    def test_clock(self) -> None:
        """An action that waits for the clock ends in time, and can then wait for asyncio."""
        call = self.service.get("/late")
        error = self.assertRaises(TimeoutError, call.wait, 0.01)
        self.assertIn("service.clock.advance()", str(error))
        self.service.clock.advance(5)
        self.assertEqual(call.wait(), "late")

    def test_without_loop(self) -> None:
        """Without the factory, a call has a result at once or never: ``wait()`` does not block."""
        service = MemoryService(_APP)
        self.assertEqual(service.get("/things/7").wait(), 7)
        self.assertRaises(RuntimeError, service.get("/late").wait)

    def test_unclosed(self) -> None:
        """Closing cancels what still runs, and closes the event loop."""
        _errors.clear()
        self.service.get("/sleep", seconds=60)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            self.successResultOf(self.factory.close())
        self.assertIsInstance(_errors[0], Cancelled)

    def test_start_fails(self) -> None:
        """An application that cannot start is an error of the factory."""
        self.assertRaises(ConfigError, self.factory, App([GET("/{id}", _Waiting.show)]))


class LifespanTests(unittest.TestCase):
    """Services of applications with a lifespan that waits."""

    def setUp(self) -> None:
        """Make an application that notes its events."""
        self.events: list[str] = []
        self.app = App([GET("/", _nothing)], lifespan=self.lifespan)

    @asynccontextmanager
    async def lifespan(self, context: ServiceContext) -> AsyncIterator[None]:
        """Wait at the start and at the end."""
        await asyncio.sleep(0)
        if "refuse" in self.events:
            raise ValueError("no database")
        self.events.append("entered")
        yield
        await asyncio.sleep(0)
        self.events.append("left")

    def test_plain(self) -> None:
        """It is entered when the service is there, and left when the factory is closed."""
        factory = ServiceFactory()
        service = factory(self.app)
        self.assertEqual(self.events, ["entered"])
        service.get("/").wait()
        self.assertTrue(factory.close().called)
        self.assertEqual(self.events, ["entered", "left"])

    def test_asyncio(self) -> None:
        """The same on the event loop of an asynchronous test; the first call waits for the start."""
        factory = ServiceFactory()

        async def call() -> None:
            await factory(self.app).get("/")

        with asyncio.Runner() as runner:
            runner.run(call())
            self.assertEqual(self.events, ["entered"])
            factory.close()
        self.assertEqual(self.events, ["entered", "left"])

    def test_fails(self) -> None:
        """Its error is one of the factory, or, in an asynchronous test, of each call."""
        self.events.append("refuse")
        factory = ServiceFactory()
        with self.assertRaisesRegex(ValueError, "no database"):
            factory(self.app)

        async def call() -> None:
            service = factory(self.app)
            for _ in range(2):
                with self.assertRaisesRegex(ValueError, "no database"):
                    await service.get("/")

        with asyncio.Runner() as runner:
            runner.run(call())
            self.assertTrue(factory.close().called)


async def _nothing() -> None:
    pass


class ForgottenErrorTests(SynchronousTestCase):
    """Errors of calls whose results a test does not use."""

    def test_reported(self) -> None:
        """The error of a call that has failed at once is raised at the end."""
        factory = ServiceFactory()
        factory(_APP).get("/things/70")
        self.failureResultOf(factory.close(), NotFound)

    def test_handled(self) -> None:
        """Errors that were raised, awaited or handled are not."""
        factory = ServiceFactory()
        service = factory(_APP)
        self.assertRaises(NotFound, service.get("/things/70").wait)
        self.failureResultOf(Deferred.fromCoroutine(_awaiting(service)), NotFound)
        service.get("/things/70").addErrback(lambda failure: failure.trap(NotFound))
        self.successResultOf(factory.close())


async def _awaiting(service: MemoryService) -> None:
    await service.get("/things/70")


class AwaitTests(unittest.IsolatedAsyncioTestCase):
    """A test on an asyncio event loop."""

    def setUp(self) -> None:
        """Make a service."""
        self.service = MemoryService(_APP)

    async def test_await(self) -> None:
        """A call is awaited without a wrapper, alone and in asyncio's groups."""
        self.assertEqual(await self.service.get("/things/7"), 7)
        with self.assertRaises(NotFound):
            await self.service.get("/things/70")
        calls = [self.service.get("/things/7"), self.service.get("/sleep", seconds=0)]
        self.assertEqual(await asyncio.gather(*calls), [7, "slept"])
        stream = self.service.stream("/count")
        await stream.ended
        self.assertEqual(stream.items, [0, 1, 2])

    async def test_wait(self) -> None:
        """``wait()`` refuses to block the event loop that runs the test."""
        service = ServiceFactory()(_APP)
        self.assertEqual(service.get("/things/7").wait(), 7)
        with self.assertRaisesRegex(RuntimeError, "await the call"):
            service.get("/sleep", seconds=60).wait()
        await service.close()

    async def test_cancel(self) -> None:
        """A call that is cancelled cancels the action, as that of a client does."""
        _errors.clear()
        with self.assertRaises(TimeoutError):
            async with asyncio.timeout(0.01):
                await self.service.get("/sleep", seconds=60)
        await self.service.get("/sleep", seconds=0)  # the action notices it in a later turn of the loop
        self.assertIsInstance(_errors[0], Cancelled)


class LoopTests(unittest.TestCase):
    """The event loop of an asynchronous test."""

    def test_between(self) -> None:
        """While it exists, fixtures that are not asynchronous use it."""
        factory = ServiceFactory()

        async def fixture() -> MemoryService:
            service = factory(_APP)
            self.assertEqual(await service.get("/things/7"), 7)
            return service

        with asyncio.Runner() as runner:
            service = runner.run(fixture())
            self.assertEqual(service.get("/sleep", seconds=0).wait(), "slept")
            self.assertTrue(factory.close().called)
