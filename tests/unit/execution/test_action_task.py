"""Actions that await objects of asyncio, and Deferreds, with a current task."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import CancelledError
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import svcs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.execution.on_loop import call, on_each_loop, turns
from unixsvc import GET, App, DeadlineExceeded, NotFound, Request, ServiceContext
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import Reply
from unixsvc.errors import Cancelled
from unixsvc.testing import MemoryService

_Json = Any  # the actions here return values of any type


def later(value: object = None, calls: list[str] | None = None) -> Deferred[Any]:
    """A Deferred that fires in a later turn of the event loop; it records its cancellation."""
    handle: asyncio.Handle

    def cancel(_: object) -> None:
        handle.cancel()
        if calls is not None:
            calls.append("deferred cancelled")

    deferred: Deferred[Any] = Deferred(cancel)
    loop = asyncio.get_running_loop()
    handle = loop.call_soon(lambda: loop.call_soon(deferred.callback, value))
    return deferred


def never(calls: list[str] | None = None) -> Deferred[Any]:
    """A Deferred that does not fire; it records its cancellation."""
    return Deferred(lambda _: None if calls is None else calls.append("deferred cancelled"))


async def _advance(service: MemoryService) -> None:
    await turns()
    service.clock.advance(1)


class CurrentTaskTests(SynchronousTestCase):
    """``asyncio.current_task()``."""

    def test_first_line(self) -> None:
        """An action that does not wait has a current task; after the action there is none."""

        async def action() -> _Json:
            task = asyncio.current_task()
            return [isinstance(task, asyncio.Task), task is not None and task.done()]

        async def main() -> list[object]:
            service = MemoryService(App([GET("/", action)]))
            results: list[object] = []
            asyncio.get_running_loop().call_soon(lambda: service.get("/").addBoth(results.append))
            asyncio.get_running_loop().call_soon(lambda: results.append(asyncio.current_task()))
            await turns()
            return results

        for results in on_each_loop(main):
            self.assertEqual(results, [[True, False], None])

    def test_same_task(self) -> None:
        """The task stays the same when the action has waited, whatever it has waited for."""

        async def action() -> _Json:
            tasks = [asyncio.current_task()]
            await asyncio.sleep(0)
            tasks.append(asyncio.current_task())
            await later()
            tasks.append(asyncio.current_task())
            await asyncio.gather(asyncio.sleep(0), later())
            tasks.append(asyncio.current_task())
            return [len(set(tasks)), tasks[0] in asyncio.all_tasks()]

        self.assertEqual(call(action), [[1, True]] * 2)

    def test_own_task(self) -> None:
        """Two actions that wait have two tasks, and that of the test is another one."""
        tasks: list[object] = []

        async def action() -> None:
            tasks.append(asyncio.current_task())
            await asyncio.sleep(0)

        async def main() -> None:
            tasks.clear()
            service = MemoryService(App([GET("/", action)]))
            service.get("/")
            service.get("/")
            tasks.append(asyncio.current_task())
            await turns()

        for _ in on_each_loop(main):
            self.assertEqual(len(set(tasks)), 3)

    def test_state_is_not_shared(self) -> None:
        """A cancellation or a name that an action sets in its first step is not seen by the next action."""

        async def touch() -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            task.set_name("mine")

        async def look() -> _Json:
            task = asyncio.current_task()
            assert task is not None
            await asyncio.sleep(0)
            return [task.cancelling(), task.get_name() == "mine"]

        async def main() -> object:
            service = MemoryService(App([GET("/touch", touch), GET("/look", look)]))
            service.get("/touch")
            result: list[object] = []
            service.get("/look").addBoth(result.append)
            await turns()
            return result

        self.assertEqual(list(on_each_loop(main)), [[[0, False]]] * 2)

    def test_done_callbacks(self) -> None:
        """Callbacks of the task are called after the action, whether it has waited or not."""
        seen: list[bool] = []

        async def action(wait: bool) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.add_done_callback(lambda task: seen.append(task.done()))
            if wait:
                await asyncio.sleep(0)

        for wait in (False, True):
            call(partial(action, wait))
        self.assertEqual(seen, [True] * 4)

    def test_wait_for_parent(self) -> None:
        """A child task can wait for the task of the action."""
        seen: list[str] = []

        async def child(parent: asyncio.Task[object]) -> None:
            await parent
            seen.append("parent done")

        async def action() -> _Json:
            task = asyncio.current_task()
            assert task is not None
            kept.append(asyncio.create_task(child(task)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return list(seen)

        kept: list[object] = []
        self.assertEqual(call(action), [[], ["parent done"]])
        self.assertEqual(seen, ["parent done"] * 2)

    def test_stack(self) -> None:
        """The stack of a waiting action shows where it waits."""
        tasks: list[asyncio.Task[Any]] = []

        async def action() -> None:
            tasks.extend(task for task in [asyncio.current_task()] if task)
            await later()

        async def look(_: object) -> None:
            self.assertEqual([frame.f_code.co_name for frame in tasks[-1].get_stack()], ["action"])
            self.assertIn("action", repr(tasks[-1]))

        call(action, look)

    def test_every_method_is_its_own(self) -> None:
        """No method of asyncio.Task is inherited, as the base class is not initialised."""
        from unixsvc.execution.action_task import ActionTask
        from unixsvc.execution.task_interface import TaskInterface

        inherited = (
            {name for name in dir(asyncio.Task) if not name.startswith("_")}
            - set(vars(ActionTask))
            - set(vars(TaskInterface))
        )
        self.assertEqual(inherited, set())


class AwaitTests(SynchronousTestCase):
    """What an action can await."""

    def test_results_and_errors(self) -> None:
        """Results and exceptions of futures, tasks, threads and Deferreds arrive."""

        async def child(value: int) -> int:
            one: int = await later(1)
            return value + one

        async def fails() -> None:
            await asyncio.sleep(0)
            raise NotFound("child")

        async def action() -> _Json:
            results = [
                await asyncio.create_task(child(1)),
                await asyncio.to_thread(lambda: 3),
                await later(4),
            ]
            results += await asyncio.gather(child(4), later(6), asyncio.sleep(0, 7))
            for awaitable in (asyncio.create_task(fails()), asyncio.gather(fails())):
                try:
                    await awaitable
                except NotFound as error:
                    results.append(error.detail)
            return results

        self.assertEqual(call(action), [[2, 3, 4, 5, 6, 7, "child", "child"]] * 2)

    def test_def_that_returns_an_awaitable(self) -> None:
        """A plain function may return a future, a task or a Deferred."""
        actions: list[Callable[[], Awaitable[object]]] = [
            lambda: asyncio.ensure_future(asyncio.sleep(0, 1)),
            lambda: asyncio.gather(asyncio.sleep(0, 1)),
            lambda: later(1),
            lambda: asyncio.sleep(0, 1),
        ]
        for action in actions:
            self.assertIn(call(action), [[1, 1], [[1], [1]]])

    def test_timeouts(self) -> None:
        """``asyncio.timeout`` and ``wait_for`` cancel futures and Deferreds."""
        calls: list[str] = []

        async def action() -> _Json:
            ends = []
            for wait in (asyncio.get_running_loop().create_future, lambda: never(calls)):
                try:
                    async with asyncio.timeout(0):
                        await wait()
                except TimeoutError:
                    ends.append("timeout")
                try:
                    await asyncio.wait_for(wait(), 0.001)
                except TimeoutError:
                    ends.append("wait_for")
            async with asyncio.timeout(None) as scope:
                scope.reschedule(asyncio.get_running_loop().time() + 100)
            task = asyncio.current_task()
            return [ends, task and task.cancelling()]

        self.assertEqual(call(action), [[["timeout", "wait_for"] * 2, 0]] * 2)
        self.assertEqual(calls, ["deferred cancelled"] * 4)

    def test_task_group(self) -> None:
        """The failure of a child in a TaskGroup ends the wait of the action, for a Deferred too."""
        calls: list[str] = []

        async def fails() -> None:
            await later()
            raise NotFound("child")

        async def action() -> _Json:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(fails())
                    await never(calls)
            except* NotFound as errors:
                calls.append(str(errors.exceptions[0]))
            await asyncio.sleep(0)
            task = asyncio.current_task()
            return task and task.cancelling()

        self.assertEqual(call(action), [0, 0])
        self.assertEqual(calls, ["deferred cancelled", "404 Not found: child"] * 2)

    def test_anyio(self) -> None:
        """Anyio's cancel scopes, task groups and threads work."""

        async def action() -> _Json:
            caught = []
            for wait in (anyio.sleep_forever, never):
                with anyio.move_on_after(0) as scope:
                    await wait()
                caught.append(scope.cancelled_caught)
            with anyio.CancelScope() as scope:
                scope.cancel()
            caught.append(scope.cancelled_caught)
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, 0)
                group.start_soon(lambda: asyncio.wait_for(later(), 100))
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep_forever)
                group.cancel_scope.cancel()
            task = asyncio.current_task()
            return [caught, await anyio.to_thread.run_sync(lambda: 7), task and task.cancelling()]

        self.assertEqual(call(action), [[[True, True, False], 7, 0]] * 2)

    def test_foreign_objects(self) -> None:
        """Awaiting an object of another framework, or a future of another loop, is an error."""
        other = asyncio.new_event_loop()
        self.addCleanup(other.close)

        class Odd:
            def __await__(self) -> Any:
                yield 7

        async def action() -> _Json:
            messages = []
            for awaitable in (Odd(), other.create_future()):
                try:
                    await awaitable
                except (TypeError, RuntimeError) as error:
                    messages.append(str(error))
            return messages

        for messages in call(action):
            self.assertEqual(messages[0], "an action awaits Deferreds and asyncio futures, not int")
            self.assertIn("which belongs to another event loop", messages[1])

    def test_streams(self) -> None:
        """The items of a stream have one task, and may await both worlds; an inner generator is closed."""
        closed: list[object] = []

        async def action() -> AsyncIterator[int]:
            task = asyncio.current_task()
            try:
                for number in range(3):
                    await asyncio.sleep(0)
                    await later()
                    yield number if asyncio.current_task() is task is not None else -1
                await never()
            finally:
                closed.append(asyncio.current_task() is task)

        async def main() -> list[object]:
            service = MemoryService(App([GET("/", action)]))
            stream = service.stream("/")
            stream.ended.addErrback(lambda failure: failure.trap(Cancelled))
            await turns(20)
            stream.cancel()
            await turns()
            return stream.items

        self.assertEqual(list(on_each_loop(main)), [[0, 1, 2]] * 2)
        self.assertEqual(closed, [True, True])


class InterruptionTests(SynchronousTestCase):
    """The deadline of a request, and its cancellation."""

    def test_where_it_waits(self) -> None:
        """DeadlineExceeded is raised where the action waits; it is a CancelledError, too."""
        calls: list[str] = []
        seen: list[bool] = []
        waits: list[Callable[[], Awaitable[object]]] = [
            lambda: asyncio.sleep(100),
            lambda: never(calls),
            lambda: asyncio.gather(asyncio.sleep(100), never(calls)),
            lambda: asyncio.create_task(asyncio.sleep(100)),
            lambda: anyio.sleep(100),
            lambda: asyncio.shield(asyncio.sleep(0.01)),
        ]

        async def action(wait: Callable[[], Awaitable[object]]) -> None:
            try:
                await wait()
            except DeadlineExceeded as error:
                seen.append(isinstance(error, CancelledError))
                raise

        for wait in waits:
            errors = call(partial(action, wait), _advance, timeout=1)
            self.assertEqual([type(error) for error in errors], [DeadlineExceeded] * 2)
        self.assertEqual(seen, [True] * 12)
        self.assertEqual(calls, ["deferred cancelled"] * 4)

    def test_task_group(self) -> None:
        """At the deadline, the tasks of a TaskGroup are cancelled, and may clean up."""
        seen: list[str] = []

        async def child() -> None:
            try:
                await asyncio.sleep(100)
            except CancelledError:
                await later()
                seen.append("cleaned up")
                raise

        async def action(wait: Callable[[], Awaitable[object]]) -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await wait()
            seen.append("not reached")

        waits: list[Callable[[], Awaitable[object]]] = [lambda: asyncio.sleep(100), never]
        for wait in waits:
            errors = call(partial(action, wait), _advance, timeout=1)
            self.assertEqual([type(error) for error in errors], [DeadlineExceeded] * 2)
        self.assertEqual(seen, ["cleaned up"] * 4)

    def test_anyio(self) -> None:
        """At the deadline, the tasks of anyio's task group are cancelled; a shielded scope is left first."""
        seen: list[str] = []

        async def child() -> None:
            try:
                await anyio.sleep(100)
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0)
                    seen.append("cleaned up")

        async def action() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(child)

        self.assertEqual([type(each) for each in call(action, _advance, timeout=1)], [DeadlineExceeded] * 2)
        self.assertEqual(seen, ["cleaned up"] * 2)

    def test_result_and_cancellation_at_once(self) -> None:
        """A cancellation is not lost if the awaited future has its result, but the action not yet."""
        seen: list[str] = []
        futures: list[asyncio.Future[None]] = []

        async def action() -> None:
            futures.append(asyncio.get_running_loop().create_future())
            try:
                await futures[-1]
            except DeadlineExceeded:
                seen.append("deadline")
                raise

        async def both(service: MemoryService) -> None:
            await turns()
            futures[-1].set_result(None)
            service.clock.advance(1)

        call(action, both, timeout=1)
        self.assertEqual(seen, ["deadline"] * 2)

    def test_task_catches_its_cancellation(self) -> None:
        """If the awaited task catches its cancellation and returns a result, the action gets the result."""
        seen: list[object] = []

        async def stubborn() -> str:
            with contextlib.suppress(CancelledError):
                await asyncio.sleep(100)
            return "done"

        async def action() -> None:
            seen.append(await asyncio.create_task(stubborn()))

        call(action, _advance, timeout=1)
        self.assertEqual(seen, ["done"] * 2)

    def test_other_error_for_a_cancellation(self) -> None:
        """A library that raises a CancelledError of its own does not turn the deadline into a failure."""

        async def action() -> None:
            try:
                await asyncio.sleep(100)
            except CancelledError:
                raise CancelledError("from a library") from None

        async def main() -> list[object]:
            service = MemoryService(App([GET("/", action)]))
            errors: list[object] = []
            service.call("GET", "/", {}, timeout=1).addErrback(lambda failure: errors.append(failure.value))
            await _advance(service)
            await turns()
            return errors

        for [error] in on_each_loop(main):
            self.assertIsInstance(error, DeadlineExceeded)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_uncancel(self) -> None:
        """A cancellation of the task that the action catches and uncancels does not end it."""

        async def action() -> _Json:
            task = asyncio.current_task()
            assert task is not None
            asyncio.get_running_loop().call_soon(task.cancel, "why")
            try:
                await never()
            except CancelledError as error:
                seen = [*error.args, task.uncancel()]
            await asyncio.sleep(0)
            return [*seen, task.cancelling()]

        self.assertEqual(call(action), [["why", 0, 0]] * 2)


class OtherCodeTests(SynchronousTestCase):
    """Code of the application beside actions."""

    def test_health_checks(self) -> None:
        """A health check awaits objects of asyncio; its time limit is raised where it waits."""

        async def main() -> list[object]:
            seen: list[object] = []

            async def ping(value: str) -> None:
                await asyncio.sleep(0)
                await later()
                if value == "slow":
                    await asyncio.sleep(100)

            def register(value: str, registry: svcs.Registry, context: ServiceContext) -> None:
                registry.register_value(str, value, ping=ping)

            for value in ("quick", "slow"):
                service = MemoryService(App([], container=partial(register, value)))
                service.get("/-/health").addBoth(lambda result: seen.append(getattr(result, "value", result)))
                await turns()
                service.clock.advance(29)
                service.clock.advance(1)
                await turns()
            return seen

        for quick, slow in on_each_loop(main):
            self.assertEqual(quick, {"status": "ok", "service": "memory"})
            self.assertIn(str(slow)[:3], ("503", "504"))  # the deadline of the request is the same
        self.assertEqual(len(self.flushLoggedErrors(DeadlineExceeded)), 2)

    def test_datasources(self) -> None:
        """A datasource of the application awaits objects of asyncio, and so does its stream."""

        @implementer(IRouterDatasource)
        class Source:
            async def handle(self, request: Request) -> Reply:
                await asyncio.sleep(0)
                await later()
                return Reply(items=self.items()) if request.path == "/other/items" else Reply(200, b"1")

            async def items(self) -> AsyncGenerator[bytes, None]:
                for item in (b"1", b"2"):
                    await asyncio.sleep(0)
                    yield item

        async def main() -> list[object]:
            service = MemoryService(App([], mounts={"/other": Source()}))
            results: list[object] = []
            service.get("/other/x").addBoth(results.append)
            stream = service.stream("/other/items")
            await turns(20)
            return [*results, *stream.items]

        self.assertEqual(list(on_each_loop(main)), [[1, 1, 2]] * 2)
