"""The interface of asyncio's tasks, for :class:`~unixsvc.execution.action_task.ActionTask`."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, CancelledError, Future, InvalidStateError
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from types import FrameType
from typing import Any, TextIO, TypeAlias

from twisted.internet.defer import Deferred

from unixsvc.domain.action_runner import Steps
from unixsvc.execution.asyncio_internals import print_stack, stack_of
from unixsvc.execution.asyncio_wait import AsyncioWait

__all__ = ["TaskInterface"]

_Callback: TypeAlias = Callable[["TaskInterface"], object]


class TaskInterface(asyncio.Task[Any]):
    """What other code can ask of a task, and do with it.

    It is an :class:`asyncio.Task` for instance checks, but the base class is not initialised: all methods
    are those of this class. :meth:`result` is None, as the result of an action is for its caller.

    :ivar touched: true once the task has state of its action, and so must not serve another one.
    """

    # On the class, as most actions that wait change few of them, and each costs time.
    touched = False
    _steps: Steps | None = None
    _wait: Deferred[Any] | None = None
    _end_callbacks: list[tuple[_Callback, Context]] | None = None
    _cancel_requests = 0
    _cancel_text: object = None
    _cancel_pending = False  # a CancelledError is to be raised where the action waits next
    _ended = _was_cancelled = False
    _chosen_name = ""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._event_loop = loop

    def end(self, error: BaseException | None = None) -> None:
        """Mark the task as done, and call its callbacks in the next turn of the event loop."""
        self._ended, self._steps = True, None
        if isinstance(error, CancelledError):
            self._was_cancelled = True
        if self._end_callbacks is not None:
            callbacks, self._end_callbacks = self._end_callbacks, None
            for callback, context in callbacks:
                self._event_loop.call_soon(callback, self, context=context)

    def _interrupt(self, wait: Deferred[Any]) -> None:
        if not isinstance(wait, AsyncioWait):
            # Not now: asyncio's code goes on after Task.cancel(), before the task has its CancelledError.
            self._event_loop.call_soon(self._cancel_deferred, wait)
        elif wait.interrupt(self._cancel_text):
            self._cancel_pending = False

    def _cancel_deferred(self, wait: Deferred[Any]) -> None:
        if self._wait is wait:
            wait.cancel()

    def cancel(self, msg: object = None) -> bool:
        """Raise CancelledError where the action waits, now or next."""
        if self._ended:
            return False
        self.touched = self._cancel_pending = True
        self._cancel_requests += 1
        self._cancel_text = msg
        if self._wait is not None:
            self._interrupt(self._wait)
        return True

    def cancelling(self) -> int:
        """The number of cancellations without an :meth:`uncancel`."""
        return self._cancel_requests

    def uncancel(self) -> int:
        """Count a cancellation as handled; the number of the others."""
        if self._cancel_requests:
            self._cancel_requests -= 1
            if not self._cancel_requests:
                self._cancel_pending = False
        return self._cancel_requests

    def done(self) -> bool:
        """Whether the action has ended."""
        return self._ended

    def cancelled(self) -> bool:
        """Whether the action has ended with a CancelledError."""
        return self._was_cancelled

    def result(self) -> None:
        """None, when the action has ended."""
        self.exception()

    def exception(self) -> None:
        """None, when the action has ended."""
        if not self._ended:
            raise InvalidStateError
        if self._was_cancelled:
            raise CancelledError

    def set_result(self, result: object) -> None:
        """Refuse, as every task does."""
        raise RuntimeError

    def set_exception(self, exception: object) -> None:
        """Refuse, as every task does."""
        raise RuntimeError

    def add_done_callback(self, fn: _Callback, /, *, context: Context | None = None) -> None:
        """Call a function when the action has ended."""
        self.touched = True
        if self._end_callbacks is None:
            self._end_callbacks = []
        self._end_callbacks.append((fn, copy_context() if context is None else context))
        if self._ended:
            self.end()

    def remove_done_callback(self, fn: _Callback, /) -> int:
        """Do not call a function."""
        callbacks = self._end_callbacks or []
        self._end_callbacks = [each for each in callbacks if each[0] != fn]
        return len(callbacks) - len(self._end_callbacks)

    def get_loop(self) -> AbstractEventLoop:
        """The event loop."""
        return self._event_loop

    def get_coro(self) -> Any:
        """The coroutine; None before the action has waited."""
        return self._steps

    def get_context(self) -> Context:
        """A copy of the context in which this method is called: the action's, if the action calls it."""
        return copy_context()

    def get_name(self) -> str:
        """A name for logs."""
        return self._chosen_name or f"Action-{id(self):x}"

    def set_name(self, value: object, /) -> None:
        """Set another name."""
        self.touched = True
        self._chosen_name = str(value)

    def get_stack(self, *, limit: int | None = None) -> list[FrameType]:
        """The frames of the coroutine, while it waits."""
        return stack_of(self, limit)

    def print_stack(self, *, limit: int | None = None, file: TextIO | None = None) -> None:
        """Print the frames of the coroutine."""
        print_stack(self, limit, file)

    def __await__(self) -> Generator[Any, None, None]:
        future: Future[None] = self._event_loop.create_future()

        def wake(_: object) -> None:
            if not future.done():
                future.set_result(None)

        self.add_done_callback(wake)
        return (yield from future)

    __iter__ = __await__

    def __repr__(self) -> str:
        state = "done" if self._ended else "pending"
        return f"<{type(self).__name__} {state} name={self.get_name()!r} coro={self._steps!r}>"

    # Attributes of asyncio.Task that anyio and asyncio read.

    @property
    def _loop(self) -> AbstractEventLoop:
        return self._event_loop

    @property
    def _coro(self) -> Any:
        return self._steps

    @property
    def _callbacks(self) -> list[tuple[_Callback, Context]]:
        return self._end_callbacks or []

    @property
    def _must_cancel(self) -> bool:
        return self._cancel_pending

    @property
    def _fut_waiter(self) -> object:
        return self._wait.awaited if isinstance(self._wait, AsyncioWait) else self._wait

    @property
    def _exception(self) -> None:
        return None
