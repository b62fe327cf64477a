"""The private APIs of asyncio behave as the project relies on."""

from __future__ import annotations

import asyncio
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.execution.on_loop import on_each_loop
from unixsvc.execution.asyncio_internals import (
    _Current,
    awaited_future,
    current_tasks,
    enter_task,
    leave_task,
    mark_awaited,
    register_task,
)


class CurrentTaskTests(SynchronousTestCase):
    """``_enter_task``, ``_leave_task`` and ``_register_task``."""

    def test_enter_and_leave(self) -> None:
        """Any object can be the current task; a second one is a RuntimeError."""

        async def main() -> list[object]:
            loop = asyncio.get_running_loop()
            outer: Any = asyncio.current_task()
            leave_task(loop, outer)
            task = object()
            enter_task(loop, task)
            seen: list[object] = [asyncio.current_task() is task]
            try:
                enter_task(loop, outer)
            except RuntimeError:
                seen.append("refused")
            leave_task(loop, task)
            seen.append(asyncio.current_task())
            enter_task(loop, outer)
            return seen

        self.assertEqual(list(on_each_loop(main)), [[True, "refused", None]] * 2)

    def test_mapping(self) -> None:
        """The mapping of current tasks, and the one for Python 3.14, set and delete the current task."""

        async def main() -> list[object]:
            loop = asyncio.get_running_loop()
            seen: list[object] = []
            for current in (current_tasks, _Current()):
                outer = current[loop]
                seen.append(loop in current)
                del current[loop]
                seen += [loop in current, asyncio.current_task()]
                current[loop] = task = object()
                seen.append(asyncio.current_task() is task)
                del current[loop]
                current[loop] = outer
                seen.append(asyncio.current_task() is outer)
            return seen

        self.assertEqual(list(on_each_loop(main)), [[True, False, None, True, True] * 2] * 2)

    def test_register(self) -> None:
        """A registered task is one of ``asyncio.all_tasks()``."""

        class Task:
            def done(self) -> bool:
                return False

            def get_loop(self) -> object:
                return asyncio.get_running_loop()

        async def main() -> bool:
            task: Any = Task()
            register_task(task)
            return task in asyncio.all_tasks()

        self.assertEqual(list(on_each_loop(main)), [True, True])


class FutureTests(SynchronousTestCase):
    """``_asyncio_future_blocking``."""

    def test_awaited(self) -> None:
        """A future is recognised when it is awaited, and can be awaited again."""

        async def main() -> list[object]:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            seen: list[object] = [awaited_future(future)]
            for _ in range(2):
                seen.append(awaited_future(next(future.__await__())) is future)
            return [*seen, awaited_future(None), awaited_future(7)]

        self.assertEqual(list(on_each_loop(main)), [[None, True, True, None, None]] * 2)

    def test_mark(self) -> None:
        """A task takes a future that is marked."""

        class Coroutine:
            def __await__(self) -> Any:
                future = mark_awaited(asyncio.get_running_loop().create_future())
                asyncio.get_running_loop().call_soon(future.set_result, 7)
                yield future
                return future.result()

        async def wait() -> object:
            result: object = await Coroutine()
            return result

        async def main() -> object:
            return await asyncio.create_task(wait())

        self.assertEqual(list(on_each_loop(main)), [7, 7])
