"""The lifespan of an application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import svcs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.execution.on_loop import on_each_loop, turns
from unixsvc import GET, App, Group, ServiceContext
from unixsvc.domain.request_context import set_current_request
from unixsvc.errors import ConfigError
from unixsvc.testing import MemoryService


class Pool:
    """What the lifespan provides."""

    def __init__(self) -> None:
        self.open = True


class Pools:
    """A controller that needs it."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def show(self) -> bool:
        """Return whether the pool is open."""
        return self._pool.open


class LifespanTests(SynchronousTestCase):
    """Lifespans without an event loop."""

    def setUp(self) -> None:
        """A lifespan that waits."""
        self.log: list[str] = []
        self.opening: Deferred[None] = Deferred()
        self.closing: Deferred[None] = Deferred()

    @property
    def lifespan(self) -> Callable[[ServiceContext], AsyncIterator[Pool]]:
        """An async generator function."""

        async def lifespan(context: ServiceContext) -> AsyncIterator[Pool]:
            self.log.append(f"enter {context.name}")
            await self.opening
            pool = Pool()
            try:
                yield pool
            finally:
                self.log.append("leave")
                await self.closing
                pool.open = False
                self.log.append("left")

        return lifespan

    def register(self, registry: svcs.Registry, context: ServiceContext) -> None:
        """Register values that are closed."""
        self.log.append(f"container {svcs.Container(registry).get(Pool).open}")
        registry.register_value(int, 1, on_registry_close=lambda: self.log.append("registry closed"))

    def test_order(self) -> None:
        """It is entered before the container is filled, and left after the drain."""
        app = App([Group("", Pools, [GET("/", Pools.show)])], lifespan=self.lifespan, container=self.register)
        service = MemoryService(app)
        reply = service.get("/")
        self.assertEqual(self.log, ["enter memory"])
        self.assertNoResult(reply)
        self.opening.callback(None)
        self.assertEqual(self.successResultOf(reply), True)
        closed = service.close()
        self.assertNoResult(closed)
        self.assertEqual(self.log, ["enter memory", "container True", "registry closed", "leave"])
        self.closing.callback(None)
        self.successResultOf(closed)
        self.assertEqual(self.log[-1], "left")

    def test_failure_at_the_start(self) -> None:
        """An exception of the lifespan is that of the start; calls that wait get it."""
        service = MemoryService(App([GET("/", hello)], lifespan=self.lifespan))
        reply = service.get("/")
        self.opening.errback(OSError("no database"))
        self.failureResultOf(reply, OSError)

    def test_failure_of_the_container(self) -> None:
        """If the rest of the start fails, the lifespan is left."""

        def register(registry: svcs.Registry, context: ServiceContext) -> None:
            raise KeyError("no such option")

        self.opening.callback(None)
        self.closing.callback(None)
        app = App([GET("/", hello)], lifespan=self.lifespan, container=register)
        self.assertRaises(KeyError, MemoryService, app)
        self.assertEqual(self.log, ["enter memory", "leave", "left"])

    def test_failure_at_the_end(self) -> None:
        """An exception at the end is that of the drain."""
        self.opening.callback(None)
        service = MemoryService(App([GET("/", hello)], lifespan=self.lifespan))
        closed = service.close()
        self.closing.errback(OSError("lost"))
        self.failureResultOf(closed, OSError)

    def test_values(self) -> None:
        """Several values are yielded as a dict; the type of one that is not declared is its own."""

        @asynccontextmanager
        async def several(context: ServiceContext) -> AsyncIterator[dict[type, object]]:
            yield {Pool: Pool(), int: 7}

        def undeclared(context: ServiceContext) -> Any:
            return asynccontextmanager(_yield_pool)()

        for lifespan in (several, undeclared):
            service = MemoryService(App([Group("", Pools, [GET("/", Pools.show)])], lifespan=lifespan))
            self.assertEqual(self.successResultOf(service.get("/")), True)

    def test_not_a_lifespan(self) -> None:
        """A function that returns another object is named in the error."""

        async def wrong(context: ServiceContext) -> None: ...

        lifespan: Any = wrong
        error = self.assertRaises(ConfigError, MemoryService, App([GET("/", hello)], lifespan=lifespan))
        self.assertIn("wrong: is not an async context manager", str(error))


class LoopTests(SynchronousTestCase):
    """Lifespans on an event loop of asyncio."""

    def setUp(self) -> None:
        """End the requests in the end."""
        self.addCleanup(set_current_request, None)

    def test_task_group(self) -> None:
        """A task group of anyio can be open during the lifespan, as it runs in one task."""

        async def main() -> list[object]:
            seen: list[object] = []

            async def consume() -> None:
                try:
                    await anyio.sleep_forever()
                finally:
                    seen.append("consumer ended")

            @asynccontextmanager
            async def lifespan(context: ServiceContext) -> AsyncIterator[None]:
                task = asyncio.current_task()
                async with anyio.create_task_group() as group:
                    group.start_soon(consume)
                    await asyncio.sleep(0)
                    yield
                    seen.append(asyncio.current_task() is task)
                    group.cancel_scope.cancel()

            service = MemoryService(App([GET("/", hello)], lifespan=lifespan))
            reply = service.get("/")
            await turns()
            reply.addCallback(seen.append)
            service.close()
            await turns(20)
            return seen

        self.assertEqual(list(on_each_loop(main)), [["hello", True, "consumer ended"]] * 2)

    def test_ends_by_itself(self) -> None:
        """If a task of the lifespan fails, that is logged, and the service says that it has ended."""

        async def main() -> list[str]:
            seen: list[str] = []

            async def fail() -> None:
                await asyncio.sleep(0)
                raise OSError("lost the queue")

            def lifespan(context: ServiceContext) -> AbstractAsyncContextManager[asyncio.TaskGroup]:
                @asynccontextmanager
                async def manage() -> AsyncIterator[asyncio.TaskGroup]:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(fail())
                        yield group

                return manage()

            service = MemoryService(App([GET("/", hello)], lifespan=lifespan))
            host = await service._host.when_started().asFuture(asyncio.get_running_loop())
            host.when_ended().addCallback(lambda _: seen.append("ended"))
            await turns()
            return seen

        self.assertEqual(list(on_each_loop(main)), [["ended"]] * 2)
        self.assertEqual(len(self.flushLoggedErrors(ExceptionGroup)), 2)

    def test_async_dependencies(self) -> None:
        """Controllers get the values of async factories; async clean-ups run when the service ends."""

        async def main() -> list[str]:
            seen: list[str] = []

            async def pool() -> AsyncIterator[Pool]:
                await asyncio.sleep(0)
                try:
                    yield Pool()
                finally:
                    await asyncio.sleep(0)
                    seen.append("pool closed")

            async def close() -> None:
                await asyncio.sleep(0)
                seen.append("registry closed")

            def register(registry: svcs.Registry, context: ServiceContext) -> None:
                registry.register_factory(Pool, pool, on_registry_close=close)

            service = MemoryService(App([Group("", Pools, [GET("/", Pools.show)])], container=register))
            reply = service.get("/")
            await turns()
            reply.addCallback(lambda result: seen.append(str(result)))
            service.close()
            await turns(20)
            return seen

        self.assertEqual(list(on_each_loop(main)), [["True", "pool closed", "registry closed"]] * 2)


def hello() -> str:
    """An action."""
    return "hello"


async def _yield_pool() -> Any:
    yield Pool()
