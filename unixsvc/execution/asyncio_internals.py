"""Private APIs of asyncio that let an action be a task, and await futures, without a Task of its own.

asyncio documents none of these names, but has them for task implementations of others, and keeps them since
Python 3.7. Checked with CPython 3.11 to 3.13; ``tests/unit/execution/test_asyncio_internals.py`` fails when
one changes. This module imports asyncio; see :mod:`unixsvc.execution.action_task`.
"""

from __future__ import annotations

import sys
from asyncio import AbstractEventLoop, Future, Task, base_tasks, current_task, tasks
from asyncio.tasks import _enter_task, _leave_task, _register_task
from collections.abc import Callable, Iterator, MutableMapping
from types import FrameType
from typing import Any, Final, TextIO, cast

__all__ = [
    "awaited_future",
    "current_tasks",
    "enter_task",
    "leave_task",
    "mark_awaited",
    "print_stack",
    "register_task",
    "stack_of",
]

# ``enter(loop, task)`` makes a task the current one of a running loop, until ``leave(loop, task)``.
enter_task: Final[Callable[[AbstractEventLoop, Any], None]] = _enter_task
leave_task: Final[Callable[[AbstractEventLoop, Any], None]] = _leave_task
# Adds a task to those of ``asyncio.all_tasks()``, as a weak reference.
register_task: Final[Callable[[Any], None]] = _register_task


class _Current(MutableMapping[AbstractEventLoop, Any]):
    """The current task of each event loop where Python has no dict of them, as from 3.14 on."""

    def __contains__(self, loop: object) -> bool:
        return current_task(cast(AbstractEventLoop, loop)) is not None

    def __getitem__(self, loop: AbstractEventLoop) -> Any:
        return current_task(loop)

    def __setitem__(self, loop: AbstractEventLoop, task: Any) -> None:
        enter_task(loop, task)

    def __delitem__(self, loop: AbstractEventLoop) -> None:
        leave_task(loop, current_task(loop))

    def __iter__(self) -> Iterator[AbstractEventLoop]:
        return iter(())

    def __len__(self) -> int:
        return 0


# ``asyncio.tasks._current_tasks``: three operations of a dict cost less than half of ``enter_task`` and
# ``leave_task``, which do the same with more checks.
current_tasks: Final[MutableMapping[AbstractEventLoop, Any]] = (
    tasks._current_tasks  # type: ignore[attr-defined] # not in typeshed
    if sys.version_info < (3, 14)
    else _Current()
)


def awaited_future(yielded: object) -> Future[Any] | None:
    """Return an object that a coroutine has yielded, if it is an asyncio future that the coroutine awaits.

    ``Future._asyncio_future_blocking`` is true then. It is cleared, as asyncio's Task does when it starts to
    wait: otherwise another coroutine that awaits the same future gets a RuntimeError.
    """
    if getattr(yielded, "_asyncio_future_blocking", None) is not True:
        return None
    future: Any = yielded
    future._asyncio_future_blocking = False
    return future  # type: ignore[no-any-return] # Futures are known by their attribute, not by their class


def mark_awaited(future: Future[Any]) -> Future[Any]:
    """Return a future as its ``__await__`` yields it: for a coroutine's ``send`` method of our own."""
    future._asyncio_future_blocking = True
    return future


def stack_of(task: Task[Any], limit: int | None) -> list[FrameType]:
    """``asyncio.base_tasks._task_get_stack``: the frames of a task with ``_coro`` and ``_exception``."""
    return base_tasks._task_get_stack(task, limit)


def print_stack(task: Task[Any], limit: int | None, file: TextIO | None) -> None:
    """``asyncio.base_tasks._task_print_stack``: print the frames of a task."""
    base_tasks._task_print_stack(task, limit, cast(Any, file))  # typeshed has the type of a path
