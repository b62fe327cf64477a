"""Makes the tasks of an asyncio event loop accept Deferreds: ``await deferred`` works in each of them.

asyncio's tasks refuse a coroutine that yields a Deferred. So a task runs an :class:`_Adapter` of its
coroutine, which yields a future in place of each Deferred.
"""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from unixsvc.domain.request_context import keep_current_request
from unixsvc.execution.asyncio_internals import mark_awaited

__all__ = ["accept_deferreds"]


def accept_deferreds(loop: AbstractEventLoop) -> None:
    """Set the task factory of a loop, unless the application has set one."""
    if loop.get_task_factory() is None:
        loop.set_task_factory(_make_task)


def _make_task(loop: AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    if asyncio.iscoroutine(coroutine):
        coroutine = _Adapter(coroutine, loop)
    keep_current_request()  # the task may outlive the action that makes it
    return asyncio.Task(coroutine, loop=loop, **options)


class _Adapter(Coroutine[Any, Any, Any]):
    """A coroutine for asyncio's tasks; it looks like the one that it runs, for debuggers and anyio."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], loop: AbstractEventLoop) -> None:
        self._coroutine = coroutine
        self._loop = loop
        self._deferred: Deferred[Any] | None = None
        self.__name__ = getattr(coroutine, "__name__", type(coroutine).__name__)
        self.__qualname__ = getattr(coroutine, "__qualname__", self.__name__)

    def send(self, value: Any, /) -> Any:
        self._deferred = None
        return self._awaitable(self._coroutine.send(value))

    def throw(self, error: Any, value: Any = None, trace: Any = None, /) -> Any:
        deferred, self._deferred = self._deferred, None
        if deferred is not None:
            deferred.cancel()
            deferred.addErrback(lambda _: None)  # the task has its own error
        return self._awaitable(self._coroutine.throw(error))

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
