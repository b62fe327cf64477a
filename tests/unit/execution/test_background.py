"""Background work, and tasks of the application."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import svcs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.execution.on_loop import on_each_loop, turns
from unixsvc import GET, App, NotFound, Request, Tasks
from unixsvc.domain.request_context import set_current_request
from unixsvc.testing import MemoryService


class BackgroundTests(SynchronousTestCase):
    """``Request.background``."""

    def setUp(self) -> None:
        """A service whose actions start background work."""
        self.log: list[object] = []
        self.waiting: Deferred[object] = Deferred()
        routes = [
            GET("/sync", self.sync),
            GET("/thread", self.sync, blocking=True),
            GET("/meta", self.sync, meta={"a": 1}),
            GET("/wait", self.wait),
            GET("/bad", self.bad),
            GET("/fails", self.fails),
        ]
        self.service = MemoryService(App(routes))

    async def work(self, *args: object, **kwargs: object) -> None:
        """Background work that waits."""
        self.log.append((args, kwargs))
        self.log.append(await self.waiting)

    def sync(self, request: Request) -> str:
        """Reply at once."""
        request.background(self.work, 1, two=2)
        self.log.append("replied")
        return "done"

    async def wait(self, request: Request) -> str:
        """Reply later."""
        request.background(self.log.append, "plain function")
        await self.waiting
        self.log.append("replied")
        return "done"

    async def bad(self, request: Request) -> str:
        """Fail after all."""
        request.background(self.work)
        raise NotFound

    def fails(self, request: Request) -> str:
        """Start work that fails."""

        async def broken() -> None:
            raise KeyError("x")

        request.background(broken)
        return "done"

    def stats(self) -> Any:
        """The counters."""
        return self.successResultOf(self.service.get("/-/stats"))["tasks"]

    def test_after_the_reply(self) -> None:
        """It starts after the reply, with its arguments, whatever kind of action has asked for it."""
        for path in ("/sync", "/thread", "/meta"):
            self.log.clear()
            self.waiting = Deferred()
            self.assertEqual(self.successResultOf(self.service.get(path)), "done")
            self.assertEqual(self.log, ["replied"])
            self.service.clock.advance(0)
            self.assertEqual(self.log, ["replied", ((1,), {"two": 2})])
            self.waiting.callback("waited")
            self.assertEqual(self.log[-1], "waited")

    def test_after_a_wait(self) -> None:
        """It does not start while the action waits."""
        reply = self.service.get("/wait")
        self.service.clock.advance(1)
        self.assertEqual(self.log, [])
        self.waiting.callback(None)
        self.service.clock.advance(0)
        self.successResultOf(reply)
        self.assertEqual(self.log, ["replied", "plain function"])

    def test_after_an_error(self) -> None:
        """It does not start if the reply is an error."""
        self.failureResultOf(self.service.get("/bad"), NotFound)
        self.service.clock.advance(1)
        self.assertEqual(self.log, [])

    def test_statistics(self) -> None:
        """It is counted under its name."""
        self.service.get("/sync")
        self.service.clock.advance(0)
        name = f"{type(self).__name__}.work"
        self.assertEqual(self.stats(), {name: {"running": 1, "done": 0, "failed": 0, "interrupted": 0}})
        self.waiting.callback(None)
        self.assertEqual(self.stats()[name]["done"], 1)

    def test_failure(self) -> None:
        """Its failure is logged with the id of the request, and counted."""
        self.service.call("GET", "/fails", {}, meta={"request_id": "r7"})
        self.service.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual([each["failed"] for each in self.stats().values()], [1])

    def test_drain(self) -> None:
        """A drain waits for it."""
        self.service.get("/sync")
        self.service.clock.advance(0)
        closed = self.service.close()
        self.service.clock.pump([0.1] * 10)
        self.assertNoResult(closed)
        self.waiting.callback(None)
        self.service.clock.pump([0.1] * 2)
        self.successResultOf(closed)

    def test_end_of_the_drain(self) -> None:
        """It is cancelled when the time of the drain is over."""
        self.service.get("/sync")
        self.service.clock.advance(0)
        closed = self.service.close()
        self.successResultOf(self.service._host.when_started()).abort()
        self.service.clock.pump([0.1] * 2)
        self.successResultOf(closed)


class TasksTests(SynchronousTestCase):
    """``Tasks`` from the container."""

    def setUp(self) -> None:
        """A service that starts tasks."""
        self.log: list[str] = []
        self.wait: Deferred[None] = Deferred()
        self.service = MemoryService(App([GET("/start", self.start), GET("/endless", self.endless)]))

    async def work(self) -> None:
        """A task."""
        try:
            await self.wait
        except BaseException as error:
            self.log.append(type(error).__name__)
            raise
        self.log.append("ended")

    def start(self, container: svcs.Container) -> None:
        """Start it."""
        container.get(Tasks).start(self.work)

    def endless(self, container: svcs.Container) -> None:
        """Start it as one that never ends."""
        container.get(Tasks).start_endless(self.work)

    def test_drain(self) -> None:
        """A drain waits for a task."""
        self.service.get("/start")
        closed = self.service.close()
        self.service.clock.pump([0.1] * 5)
        self.assertNoResult(closed)
        self.wait.callback(None)
        self.service.clock.pump([0.1] * 2)
        self.successResultOf(closed)
        self.assertEqual(self.log, ["ended"])

    def test_endless(self) -> None:
        """A drain cancels an endless task; that is no failure."""
        self.service.get("/endless")
        closed = self.service.close()
        self.service.clock.pump([0.1] * 2)
        self.successResultOf(closed)
        self.assertEqual(self.log, ["Cancelled"])

    def test_endless_that_fails(self) -> None:
        """The failure of an endless task before that is one."""
        self.service.get("/endless")
        self.wait.errback(OSError("lost"))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_on_a_loop(self) -> None:
        """A task can await asyncio, has a current task, and gets CancelledError at the drain."""

        async def main() -> list[str]:
            log: list[str] = []

            async def consume() -> None:
                task = asyncio.current_task()
                try:
                    await asyncio.sleep(0)
                    await asyncio.sleep(1000)
                except asyncio.CancelledError:
                    log.append("cancelled" if asyncio.current_task() is task else "another task")
                    await asyncio.sleep(0)
                    log.append("cleaned up")
                    raise

            def start(container: svcs.Container) -> None:
                container.get(Tasks).start_endless(consume)

            service = MemoryService(App([GET("/", start)]))
            service.get("/")
            await turns()
            closed = service.close()
            await turns()
            service.clock.pump([0.1] * 3)
            log.append(f"closed {closed.called}")
            return log

        self.assertEqual(list(on_each_loop(main)), [["cancelled", "cleaned up", "closed True"]] * 2)

    def test_wrong_function(self) -> None:
        """A plain function that returns a coroutine is an error that says so."""

        def start(container: svcs.Container) -> None:
            wrong: Callable[[], object] = lambda: self.work()  # noqa: E731 # what a user might write
            container.get(Tasks).start(wrong)

        MemoryService(App([GET("/", start)])).get("/")
        [failure] = self.flushLoggedErrors(TypeError)
        self.assertIn("pass the coroutine function itself", str(failure.value))


class NeverAwaitedTests(SynchronousTestCase):
    """Tasks of asyncio whose failure nothing awaits."""

    def setUp(self) -> None:
        """End the requests in the end."""
        self.addCleanup(set_current_request, None)

    def test_reported(self) -> None:
        """The failure of a task is reported when its action has ended, though the task is referenced."""

        async def main() -> list[str]:
            reported: list[str] = []
            kept: list[object] = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: reported.append(context["message"]))

            async def fails() -> None:
                raise KeyError("x")

            async def action(wait: bool, take: bool) -> int:
                kept.append(task := asyncio.create_task(fails()))
                await turns(3)
                if wait:
                    await turns(3)
                if take:
                    task.exception()
                return len(reported)

            service = MemoryService(App([GET("/", action)]))
            during: list[Any] = []
            for data in ({"wait": True, "take": True}, {"wait": False, "take": False}):
                service.get("/", **data).addBoth(during.append)
                await turns(30)
            return [*map(str, during), *reported]

        self.assertEqual(list(on_each_loop(main)), [["0", "0", "Task exception was never retrieved"]] * 2)
