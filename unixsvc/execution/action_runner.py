"""Runs actions with an asyncio task each, at little cost; see :mod:`unixsvc.execution.action_task`."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import AsyncGenerator, Awaitable, Generator
from types import TracebackType, coroutine
from typing import Any, TypeVar, cast

from unixsvc.domain.action_runner import Steps, steps_of
from unixsvc.execution.action_task import ActionTask
from unixsvc.execution.asyncio_internals import current_tasks
from unixsvc.execution.task_factory import accept_deferreds

__all__ = ["AsyncioRunner"]

_T = TypeVar("_T")


class AsyncioRunner:
    """Runs actions on the asyncio event loop of this process.

    :param loop: its tasks are made to accept Deferreds.
    :ivar task: the spare task: the current one during the first step of an action.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        accept_deferreds(loop)
        self.loop = loop
        self.task = ActionTask(loop)
        self.current = current_tasks

    def enter_nested(self) -> ActionTask:
        """See :class:`~unixsvc.domain.coroutine.ActionRunner`."""
        task = ActionTask(self.loop)
        task.enter()
        task.touched = True
        return task

    def settle(self, task: ActionTask) -> None:
        """See :class:`~unixsvc.domain.coroutine.ActionRunner`."""
        if task is self.task:
            self.task = ActionTask(self.loop)
        if task.outer is not None:
            self.current[self.loop] = task.outer
            task.outer = None
        if task.get_coro() is None:  # it has not waited
            task.end()

    def suspend(self, task: ActionTask, steps: Steps, awaited: object) -> Awaitable[Any]:
        """See :class:`~unixsvc.domain.coroutine.ActionRunner`."""
        if task is self.task:
            self.task = ActionTask(self.loop)
        if task.touched:  # for settle(), before the generator runs
            task.keep(steps)
        return task.resume(steps, awaited)

    def run(self, awaitable: Awaitable[_T]) -> Awaitable[_T]:
        """See :class:`~unixsvc.domain.coroutine.ActionRunner`."""
        return ActionTask(self.loop).run(steps_of(awaitable))

    def stream(self, items: AsyncGenerator[_T, None]) -> AsyncGenerator[_T, None]:
        """See :class:`~unixsvc.domain.coroutine.ActionRunner`."""
        return _TaskStream(ActionTask(self.loop), items)


class _TaskStream(AsyncGenerator[_T, None]):
    """A stream with one task for all of its items."""

    def __init__(self, task: ActionTask, items: AsyncGenerator[_T, None]) -> None:
        self._task = task
        self._items = items

    @coroutine
    def __anext__(self) -> Generator[Any, Any, _T]:
        try:
            item: _T = yield from self._task.run(steps_of(self._items.__anext__()), ends=False)
            return item
        except BaseException:  # the generator has ended
            self._task.end()
            raise

    async def asend(self, value: None) -> _T:
        return await self.__anext__()

    async def athrow(
        self,
        kind: type[BaseException] | BaseException,
        value: BaseException | object = None,
        trace: TracebackType | None = None,
    ) -> _T:
        try:
            return cast(_T, await self._task.run(steps_of(self._items.athrow(kind)), ends=False))
        finally:
            self._task.end()

    async def aclose(self) -> None:
        try:
            await self._task.run(steps_of(self._items.aclose()), ends=False)
        finally:
            self._task.end()
