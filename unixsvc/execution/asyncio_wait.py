"""asyncio's awaitable objects as Deferreds, for the drivers of coroutines."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, Future
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from unixsvc.execution.asyncio_internals import awaited_future

__all__ = ["AsyncioWait", "is_cancellation", "wait_for"]


class AsyncioWait(Deferred[None]):
    """A wait of an action for the event loop of asyncio. It fires with None; the coroutine has the result.

    :ivar awaited: the future; None if the next turn of the loop is awaited.
    """

    awaited: Future[Any] | None = None

    def interrupt(self, message: object) -> bool:
        """Cancel what is awaited, as ``Task.cancel()`` does.

        :returns: whether the coroutine gets a CancelledError by itself.
        """
        raise NotImplementedError


class _FutureWait(AsyncioWait):
    """Fires when a future is done. A cancel cancels the future and waits for it: a task may clean up."""

    def __init__(self, future: Future[Any]) -> None:
        super().__init__()
        self.awaited: Future[Any] = future
        self._cancelled = self._too_late = False
        future.add_done_callback(self._done)

    def cancel(self) -> None:
        """Cancel the future. This Deferred fails with CancelledError if the future is cancelled thereby."""
        self._cancelled = True
        if not self.awaited.cancel():
            self._too_late = True

    def interrupt(self, message: object) -> bool:
        """See :class:`AsyncioWait`. A future that is done already cannot be cancelled any more."""
        return self.awaited.cancel(msg=message)

    def _done(self, future: Future[Any]) -> None:
        # If a task has caught its cancellation and returned a result, the awaiting coroutine gets the result.
        if self._cancelled and (self._too_late or _is_cancelled(future)):
            self.errback(Failure(asyncio.CancelledError()))
        else:
            self.callback(None)


class _NextTurn(AsyncioWait):
    """Fires in the next turn of the event loop, as ``asyncio.sleep(0)`` requires."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        super().__init__()
        self._handle = loop.call_soon(self.callback, None)

    def cancel(self) -> None:
        """Fail now."""
        self._handle.cancel()
        self.errback(Failure(asyncio.CancelledError()))

    def interrupt(self, message: object) -> bool:
        """See :class:`AsyncioWait`. The coroutine continues in the next turn in any case."""
        return False


def wait_for(awaited: object, loop: AbstractEventLoop) -> Deferred[Any]:
    """Return a Deferred for an object that a coroutine has yielded.

    :returns: the object itself if it is a Deferred; a failure for an object that cannot be awaited.
    """
    if isinstance(awaited, Deferred):
        return awaited
    if (future := awaited_future(awaited)) is not None:
        if future.get_loop() is loop:
            return _FutureWait(future)
        return fail(RuntimeError(f"an action awaits {future!r}, which belongs to another event loop"))
    if awaited is None:
        return _NextTurn(loop)
    return fail(TypeError(f"an action awaits Deferreds and asyncio futures, not {type(awaited).__name__}"))


def is_cancellation(error: BaseException) -> bool:
    """Return whether an exception is a CancelledError, or a group of no others.

    ``asyncio.TaskGroup`` of Python 3.11 and 3.12 raises such a group for a subclass of CancelledError.
    """
    if isinstance(error, BaseExceptionGroup):
        return error.split(asyncio.CancelledError)[1] is None
    return isinstance(error, asyncio.CancelledError)


def _is_cancelled(future: Future[Any]) -> bool:
    # asyncio.gather() has CancelledError as its exception.
    return future.cancelled() or isinstance(future.exception(), asyncio.CancelledError)
