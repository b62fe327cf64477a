"""Makes the tasks of an asyncio event loop accept Deferreds: ``await deferred`` works in each of them.

asyncio's tasks refuse a coroutine that yields a Deferred. So a task runs an :class:`_Adapter` of its
coroutine, which yields a future in place of each Deferred.

The adapter also sees when a task fails. asyncio reports a failure that nothing has awaited when the task is
garbage; here that is done when the action that has created the task has ended, or after some seconds.
"""

from __future__ import annotations

import asyncio
import weakref
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Coroutine
from typing import Any, Final

from twisted.internet.defer import Deferred

from unixsvc.domain.request_context import keep_current_request
from unixsvc.execution.asyncio_internals import mark_awaited

__all__ = ["accept_deferreds"]

# How long the failure of a task may wait for code that may still await the task, in seconds.
_PATIENCE: Final = 10.0
# The same after the action that has created it has ended, in turns of the event loop: other tasks of the
# action may await it, and wait_for() and gather() pass a failure on in a turn or two each.
_TURNS: Final = 20


def accept_deferreds(loop: AbstractEventLoop) -> None:
    """Set the task factory of a loop, unless the application has set one."""
    if loop.get_task_factory() is None:
        loop.set_task_factory(_make_task)


def _report(task: asyncio.Task[Any] | None) -> None:
    """Report the failure of a task as asyncio does, unless something has taken it.

    ``Task._log_traceback`` is true until then.
    """
    if task is not None and task._log_traceback:
        task._log_traceback = False
        message = "Task exception was never retrieved"
        context = {"message": message, "exception": task.exception(), "future": task}
        task.get_loop().call_exception_handler(context)


def _make_task(loop: AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    if asyncio.iscoroutine(coroutine):
        coroutine = _Adapter(coroutine, loop)
    keep_current_request()  # the task may outlive the action that makes it
    return asyncio.Task(coroutine, loop=loop, **options)


def _after_turns(loop: AbstractEventLoop, call: Callable[[], object], turns: int = _TURNS) -> None:
    if turns:
        loop.call_soon(_after_turns, loop, call, turns - 1)
    else:
        call()


def _owner_of(creator: asyncio.Task[Any] | None) -> asyncio.Task[Any] | None:
    """The task of the action that has created a task, directly or by other tasks; None if there is none."""
    coroutine = None if creator is None else creator.get_coro()
    return coroutine._owner if isinstance(coroutine, _Adapter) else creator


class _Adapter(Coroutine[Any, Any, Any]):
    """A coroutine for asyncio's tasks; it looks like the one that it runs, for debuggers and anyio."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], loop: AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._deferred: Deferred[Any] | None = None
        self._owner = _owner_of(asyncio.current_task(loop))
        self.__name__ = getattr(coroutine, "__name__", type(coroutine).__name__)
        self.__qualname__ = getattr(coroutine, "__qualname__", self.__name__)

    def send(self, value: Any, /) -> Any:
        self._deferred = None
        try:
            return self._awaitable(self._coroutine.send(value))
        except Exception as error:
            self._failed(error)
            raise

    def throw(self, error: Any, value: Any = None, trace: Any = None, /) -> Any:
        deferred, self._deferred = self._deferred, None
        if deferred is not None:
            deferred.cancel()
            deferred.addErrback(lambda _: None)  # the task has its own error
        try:
            return self._awaitable(self._coroutine.throw(error))
        except Exception as raised:
            self._failed(raised)
            raise

    def _failed(self, error: Exception) -> None:
        """Report the failure of the task when it can be expected that nothing awaits it any more."""
        task = asyncio.current_task(self._loop)
        if isinstance(error, StopIteration) or task is None:
            return
        reference = weakref.ref(task)  # asyncio reports one that is garbage

        def report(_: object = None) -> None:
            _report(reference())

        if self._owner is None:
            self._loop.call_later(_PATIENCE, report)
        elif self._owner.done():
            _after_turns(self._loop, report)
        else:
            self._owner.add_done_callback(lambda _: _after_turns(self._loop, report))
            self._loop.call_later(_PATIENCE, report)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Any:
        return self._coroutine.__await__()

    def _awaitable(self, awaited: object) -> object:
        """What the task waits for."""
        if not isinstance(awaited, Deferred):
            return awaited
        future: Future[None] = self._loop.create_future()
        self._deferred = awaited

        def fired(result: object) -> object:
            if not future.done():
                future.set_result(None)
            return result  # which the coroutine takes from the Deferred when it is resumed

        awaited.addBoth(fired)
        return mark_awaited(future)

    @property
    def cr_code(self) -> Any:
        """As of a coroutine."""
        return getattr(self._coroutine, "cr_code", None)

    @property
    def cr_frame(self) -> Any:
        """As of a coroutine."""
        return getattr(self._coroutine, "cr_frame", None)

    @property
    def cr_running(self) -> bool:
        """As of a coroutine."""
        return bool(getattr(self._coroutine, "cr_running", False))

    @property
    def cr_suspended(self) -> bool:
        """As of a coroutine."""
        return bool(getattr(self._coroutine, "cr_suspended", False))

    @property
    def cr_await(self) -> Any:
        """As of a coroutine."""
        return getattr(self._coroutine, "cr_await", None)

    @property
    def cr_origin(self) -> Any:
        """As of a coroutine."""
        return getattr(self._coroutine, "cr_origin", None)
