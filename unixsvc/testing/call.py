"""The result of a call, for tests of every style."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from unixsvc.execution.action_task import ActionTask
from unixsvc.testing.call_loop import running_loop

if TYPE_CHECKING:
    from unixsvc.testing.call_loop import CallLoop

__all__ = ["Call"]

T = TypeVar("T")


class Call(Deferred[T]):
    """A Deferred that can be awaited in coroutines of asyncio as well as in those of Twisted.

    :ivar loop: runs the event loop in :meth:`wait`; None if there is none to run.
    :ivar awaited: True once a coroutine has awaited it.
    """

    loop: CallLoop | None = None
    awaited = False
    _failure: Failure | None = None

    def wait(self, timeout: float = 5.0) -> T:
        """Return the result, in a test that is not asynchronous.

        The event loop runs until the result is there.

        :param timeout: in seconds.
        :raises unixsvc.ServiceError: if the call has failed.
        :raises TimeoutError: if there is no result in time.
        """
        if self._failure is not None:
            self._failure.raiseException()
        if self.loop is not None:
            self.loop.wait(self, timeout)
        elif not self.called:
            raise RuntimeError("the action waits, and has no event loop: use the fixture unixsvc_service")
        found: list[T | Failure] = []
        self._observe(found.append)
        if isinstance(found[0], Failure):
            found[0].raiseException()
        return found[0]

    def __await__(self) -> Generator[Any, None, T]:
        self.awaited = True
        loop = running_loop()
        # Only a task of asyncio waits for futures. Coroutines of Twisted and actions wait for Deferreds.
        task = None if loop is None else asyncio.current_task(loop)
        if loop is None or task is None or isinstance(task, ActionTask):
            return super().__await__()
        return self._as_future(loop).__await__()

    def _as_future(self, loop: AbstractEventLoop) -> Future[T]:
        future: Future[T] = loop.create_future()

        def fired(result: T | Failure) -> None:
            if future.done():
                return
            if isinstance(result, Failure):
                future.set_exception(cast(BaseException, result.value))
            else:
                future.set_result(result)

        self._observe(fired)
        future.add_done_callback(lambda done: self.cancel() if done.cancelled() else None)
        return future

    def _observe(self, observer: Callable[[T | Failure], object]) -> None:
        """Pass the result to an observer, and keep it. An error counts as handled."""

        def fired(result: T | Failure) -> T | None:
            if isinstance(result, Failure):
                self._failure = result
            observer(result)
            return None if isinstance(result, Failure) else result

        if self._failure is not None:
            observer(self._failure)
        else:
            self.addBoth(fired)
