"""The asyncio task of an action: what asyncio's libraries need of an action that runs without a real Task.

``asyncio.timeout``, ``asyncio.TaskGroup`` and anyio ask for the current task, cancel it, and count its
cancellations. A real :class:`asyncio.Task` costs more than most actions take. So the first step of an action
runs with a spare :class:`ActionTask` as the current task. Most actions end in that step, and the next one has
the same spare; an action that waits keeps it.

While an action waits, the driver of its request gets a Deferred: one that the action awaits, or one that
stands for an asyncio future. So drivers know Deferreds only.

This module imports asyncio, so it is imported only where a reactor runs on asyncio.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, CancelledError, Future, InvalidStateError
from collections.abc import Callable, Generator
from contextvars import Context, copy_context
from types import FrameType, coroutine
from typing import Any, TextIO, TypeAlias

from twisted.internet.defer import Deferred

from unixsvc.domain.action_runner import Steps
from unixsvc.errors import ServiceError
from unixsvc.execution.asyncio_internals import current_tasks, print_stack, register_task, stack_of
from unixsvc.execution.asyncio_wait import AsyncioWait, is_cancellation, wait_for

__all__ = ["ActionTask"]

_Callback: TypeAlias = Callable[["ActionTask"], object]


class ActionTask(asyncio.Task[Any]):
    """The task of one action, or of one stream.

    It is an :class:`asyncio.Task` for instance checks, but the base class is not initialised: all methods
    are those of this class. :meth:`result` is None, as the result of an action is for its caller.

    :ivar touched: true once the task has state of its action, and so must not serve another one.
    :ivar outer: the task during which this one was entered; nearly always None.
    """

    def __new__(cls, loop: AbstractEventLoop) -> ActionTask:  # noqa: D102 # the arguments of object.__new__
        return super().__new__(cls)

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.touched = False
        self.outer: asyncio.Task[Any] | None = None
        self._event_loop = loop
        self._steps: Steps | None = None
        self._wait: Deferred[Any] | None = None
        self._end_callbacks: list[tuple[_Callback, Context]] = []
        self._cancel_requests = 0
        self._cancel_text: object = None
        self._cancel_pending = False  # a CancelledError is to be raised where the action waits next
        self._reason: BaseException | None = None
        self._ended = self._was_cancelled = self._registered = False
        self._chosen_name = ""

    # Running.

    def enter(self) -> None:
        """Make this the current task; :meth:`leave` restores the one before."""
        loop = self._event_loop
        if loop in current_tasks:
            self.outer = current_tasks[loop]
            del current_tasks[loop]
        current_tasks[loop] = self

    def leave(self) -> None:
        """End what :meth:`enter` has begun."""
        del current_tasks[self._event_loop]
        if self.outer is not None:
            current_tasks[self._event_loop] = self.outer
            self.outer = None

    @coroutine
    def run(self, steps: Steps) -> Generator[Deferred[Any], Any, Any]:
        """Run a coroutine with this as its current task, up to its end or to the next item of a stream."""
        self.enter()
        try:
            awaited = steps.send(None)
        except StopIteration as stop:
            return stop.value
        finally:
            self.leave()
        return (yield from self.resume(steps, awaited))

    def keep(self, steps: Steps) -> None:
        """Be the task of a coroutine that waits."""
        self._steps, self.touched = steps, True

    def resume(self, steps: Steps, awaited: object) -> Generator[Deferred[Any], Any, Any]:
        """Run the later steps of the coroutine.

        :param awaited: what the last step has yielded.
        """
        self.keep(steps)
        try:
            while True:
                value = error = None
                wait = self._begin_wait(awaited)
                try:
                    value = yield wait
                except GeneratorExit:
                    self._close(steps)
                    raise
                except BaseException as raised:  # all are for the coroutine
                    error = raised
                self._wait = None
                error = self._error_to_raise(error)
                self.enter()
                try:
                    awaited = steps.send(value) if error is None else steps.throw(error)
                finally:
                    self.leave()
        except StopIteration as stop:
            return stop.value
        except (CancelledError, BaseExceptionGroup) as error:
            if self._reason is None or self._reason is error or not is_cancellation(error):
                raise
            raise self._reason from None  # a library has raised another error for the same cancellation

    def end(self, *, cancelled: bool = False) -> None:
        """Mark the task as done, and call its callbacks in the next turn of the event loop."""
        self._ended, self._was_cancelled, self._steps = True, cancelled, None
        callbacks, self._end_callbacks = self._end_callbacks, []
        for callback, context in callbacks:
            self._event_loop.call_soon(callback, self, context=context)

    def _begin_wait(self, awaited: object) -> Deferred[Any]:
        wait = self._wait = wait_for(awaited, self._event_loop)
        if isinstance(wait, AsyncioWait) and not self._registered:
            self._registered = True
            register_task(self)  # for asyncio.all_tasks()
        if self._cancel_pending:
            self._interrupt(wait)
        return wait

    def _interrupt(self, wait: Deferred[Any]) -> None:
        if not isinstance(wait, AsyncioWait):
            # Not now: asyncio's code goes on after Task.cancel(), before the task has its CancelledError.
            self._event_loop.call_soon(self._cancel_deferred, wait)
        elif wait.interrupt(self._cancel_text):
            self._cancel_pending = False

    def _cancel_deferred(self, wait: Deferred[Any]) -> None:
        if self._wait is wait:
            wait.cancel()

    def _error_to_raise(self, error: BaseException | None) -> BaseException | None:
        if isinstance(error, CancelledError):
            if isinstance(error, ServiceError):  # by the driver, see unixsvc.execution.interruption
                self._cancel_requests += 1
                self._reason = error
        elif self._cancel_pending:
            error = CancelledError() if self._cancel_text is None else CancelledError(self._cancel_text)
        else:
            return error
        self._cancel_pending = False
        return error

    def _close(self, steps: Steps) -> None:
        self._wait = None
        self.enter()
        try:
            steps.close()
        finally:
            self.leave()

    # The interface of asyncio.Task.

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
        self._end_callbacks.append((fn, copy_context() if context is None else context))
        if self._ended:
            self.end(cancelled=self._was_cancelled)

    def remove_done_callback(self, fn: _Callback, /) -> int:
        """Do not call a function."""
        before = len(self._end_callbacks)
        self._end_callbacks = [each for each in self._end_callbacks if each[0] != fn]
        return before - len(self._end_callbacks)

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
        return f"<ActionTask {state} name={self.get_name()!r} coro={self._steps!r}>"

    # Attributes of asyncio.Task that anyio and asyncio read.

    @property
    def _loop(self) -> AbstractEventLoop:
        return self._event_loop

    @property
    def _coro(self) -> Any:
        return self._steps

    @property
    def _callbacks(self) -> list[tuple[_Callback, Context]]:
        return self._end_callbacks

    @property
    def _must_cancel(self) -> bool:
        return self._cancel_pending

    @property
    def _fut_waiter(self) -> object:
        return self._wait.awaited if isinstance(self._wait, AsyncioWait) else self._wait

    @property
    def _exception(self) -> None:
        return None
