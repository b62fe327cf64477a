"""How application code is run: with a current task where there is an asyncio event loop, or without."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Coroutine, MutableMapping
from typing import Any, Protocol, TypeVar, cast

from unixsvc.domain.coroutine import SuspendedCoroutine

__all__ = ["ActionRunner", "PlainRunner", "Steps", "steps_of"]

_T = TypeVar("_T")


class Steps(Protocol):
    """What an ``await`` drives: a coroutine, for the most part."""

    def send(self, value: Any, /) -> object:
        """Run the next step; it returns the object to wait for, or raises StopIteration."""

    def throw(self, error: BaseException, /) -> object:
        """Run the next step with an exception."""

    def close(self) -> None:
        """Run the last step with GeneratorExit."""


class ActionRunner(Protocol):
    """Runs application code.

    The router runs the first step of an action itself, as most actions end in it: it sets the current task of
    the event loop, unless there is one, does the step, deletes the current task, and calls :meth:`settle` if
    the task is ``touched``. The event loop and the task have no types here, as the domain does not import
    asyncio.

    :ivar loop: the event loop; None without asyncio.
    :ivar current: the current tasks by event loop.
    """

    loop: Any
    current: MutableMapping[Any, Any]

    @property
    def task(self) -> Any:
        """The current task for the next first step."""

    def enter_nested(self) -> Any:
        """Make a new task the current one in place of another, and return it. It is touched."""

    def settle(self, task: Any) -> None:
        """Restore the task before, and end a task that has not waited."""

    def suspend(self, task: Any, coroutine: Coroutine[object, Any, _T], awaited: object) -> Awaitable[_T]:
        """Return the rest of an action that waits.

        :param awaited: what the first step has yielded.
        """

    def run(self, awaitable: Awaitable[_T]) -> Awaitable[_T]:
        """Return an awaitable that runs another one, which is application code, with a task of its own."""

    def stream(self, items: AsyncGenerator[_T, None]) -> AsyncGenerator[_T, None]:
        """Return a generator that runs another one, which is application code, with a task of its own."""


class _NoTasks(dict[Any, Any]):
    """The current tasks where there are none."""

    def __setitem__(self, loop: Any, task: Any) -> None:
        """Do nothing."""

    def __delitem__(self, loop: Any) -> None:
        """Do nothing."""


class PlainRunner:
    """Runs application code without asyncio. It is its own task, and is never touched."""

    loop: Any = None
    current: MutableMapping[Any, Any] = _NoTasks()
    touched = False

    @property
    def task(self) -> PlainRunner:
        """The same for all actions."""
        return self

    def enter_nested(self) -> PlainRunner:
        """Do nothing."""
        return self

    def settle(self, task: PlainRunner) -> None:
        """Do nothing."""

    def suspend(
        self, task: PlainRunner, coroutine: Coroutine[object, Any, _T], awaited: object
    ) -> Awaitable[_T]:
        """Return the coroutine, which needs the next step."""
        return SuspendedCoroutine(coroutine, awaited)

    def run(self, awaitable: Awaitable[_T]) -> Awaitable[_T]:
        """Return the awaitable."""
        return awaitable

    def stream(self, items: AsyncGenerator[_T, None]) -> AsyncGenerator[_T, None]:
        """Return the generator."""
        return items


def steps_of(awaitable: Awaitable[object]) -> Steps:
    """Return what ``await`` drives."""
    if isinstance(awaitable, Coroutine):
        return awaitable
    return cast(Steps, awaitable.__await__())  # a generator, or another object with its methods
