"""asyncio's tasks that await Deferreds."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.execution.on_loop import on_each_loop, turns
from unixsvc.errors import NotFound
from unixsvc.execution.task_factory import accept_deferreds


class TaskTests(SynchronousTestCase):
    """Tasks of a loop after :func:`accept_deferreds`."""

    def test_results(self) -> None:
        """A task gets the result or the exception of a Deferred, at once or later."""

        async def work(deferred: Deferred[Any]) -> object:
            await asyncio.sleep(0)
            try:
                return await deferred
            except NotFound as error:
                return error.detail

        async def main() -> list[object]:
            accept_deferreds(asyncio.get_running_loop())
            now: list[Deferred[Any]] = [succeed(1), fail(NotFound("2"))]
            later: list[Deferred[Any]] = [Deferred(), Deferred()]
            tasks = asyncio.gather(*[work(each) for each in now + later])
            await turns()
            later[0].callback(3)
            later[1].errback(NotFound("4"))
            return await tasks

        self.assertEqual(list(on_each_loop(main)), [[1, "2", 3, "4"]] * 2)

    def test_twice(self) -> None:
        """Two tasks can await the same Deferred."""

        async def main() -> list[object]:
            accept_deferreds(asyncio.get_running_loop())
            deferred: Deferred[int] = Deferred()
            tasks = asyncio.gather(asyncio.wait_for(deferred, 100), asyncio.shield(deferred))
            await turns()
            deferred.callback(5)
            return list(await tasks)

        self.assertEqual(list(on_each_loop(main)), [[5, 5]] * 2)

    def test_awaited_failure(self) -> None:
        """A failure that something awaits is not reported, though it is passed on through several tasks."""

        async def fails() -> None:
            await asyncio.sleep(0)
            raise NotFound("x")

        async def nested(depth: int) -> None:
            await asyncio.wait_for(nested(depth - 1) if depth else fails(), 100)

        async def main() -> list[str]:
            reported: list[str] = []
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(lambda _, context: reported.append(context["message"]))
            accept_deferreds(loop)
            made: list[asyncio.Task[None]] = []
            loop.call_soon(lambda: made.append(loop.create_task(nested(3))))  # it belongs to no task
            await turns(50)
            self.assertIsInstance(made[0].exception(), NotFound)
            return reported

        self.assertEqual(list(on_each_loop(main)), [[], []])

    def test_cancelled(self) -> None:
        """Cancelling the task cancels the Deferred; its failure is not reported as unhandled."""

        async def main() -> list[bool]:
            accept_deferreds(asyncio.get_running_loop())
            cancelled: list[bool] = []
            deferred: Deferred[int] = Deferred(lambda _: cancelled.append(True))

            async def work() -> int:
                return await deferred

            task = asyncio.get_running_loop().create_task(work())
            await turns()
            task.cancel()
            await turns()
            return [*cancelled, task.cancelled()]

        self.assertEqual(list(on_each_loop(main)), [[True, True]] * 2)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_looks_like_the_coroutine(self) -> None:
        """The name and the state of the coroutine are seen through the task."""

        async def work() -> None:
            await asyncio.sleep(0)

        async def main() -> list[object]:
            accept_deferreds(asyncio.get_running_loop())
            task = asyncio.get_running_loop().create_task(work(), name="mine")
            coroutine: Any = task.get_coro()
            states = [inspect.getcoroutinestate(coroutine)]
            await turns(1)
            states.append(inspect.getcoroutinestate(coroutine))
            await task
            return [*states, coroutine.__name__, task.get_name(), "work()" in repr(task)]

        states = ["CORO_CREATED", "CORO_SUSPENDED"]
        self.assertEqual(list(on_each_loop(main)), [[*states, "work", "mine", True]] * 2)

    def test_own_factory(self) -> None:
        """A task factory of the application stays."""

        async def main() -> bool:
            loop = asyncio.get_running_loop()

            def own(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
                return asyncio.Task(coroutine, loop=loop, **options)

            loop.set_task_factory(own)
            accept_deferreds(loop)
            return loop.get_task_factory() is own

        self.assertEqual(list(on_each_loop(main)), [True, True])
