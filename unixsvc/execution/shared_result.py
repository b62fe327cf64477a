"""A result that several callers wait for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

__all__ = ["SharedResult", "run_detached"]

T = TypeVar("T")


class SharedResult(Generic[T]):
    """A future result. Each waiter has a Deferred of its own and may cancel it without effect on others."""

    def __init__(self) -> None:
        self._waiters: list[Deferred[T]] = []
        self._outcome: tuple[T] | Exception | None = None

    @property
    def done(self) -> bool:
        """Whether the result is there."""
        return self._outcome is not None

    def succeed(self, result: T) -> None:
        """Set the result; only the first call of this method or :meth:`fail` counts."""
        if self._outcome is None:
            self._outcome = (result,)
            for waiter in self._take_waiters():
                if not waiter.called:  # it may be cancelled
                    waiter.callback(result)

    def fail(self, error: Exception) -> None:
        """Set an exception as the result; only the first call of this method or :meth:`succeed` counts."""
        if self._outcome is None:
            self._outcome = error
            for waiter in self._take_waiters():
                if not waiter.called:
                    waiter.errback(Failure(error))

    def wait(self) -> Deferred[T]:
        """Fires with the result, at once if it is there already."""
        if isinstance(self._outcome, Exception):
            return fail(self._outcome)
        if self._outcome is not None:
            return succeed(self._outcome[0])
        waiter: Deferred[T] = Deferred()
        self._waiters.append(waiter)
        return waiter

    def _take_waiters(self) -> list[Deferred[T]]:
        waiters, self._waiters = self._waiters, []
        return waiters


def run_detached(coroutine: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
    """Run a coroutine to its end, even if the caller cancels the returned Deferred.

    :returns: fires with the result of the coroutine.
    """
    result: SharedResult[T] = SharedResult()

    async def run() -> None:
        try:
            result.succeed(await coroutine)
        except Exception as error:  # the waiters get it, whatever it is
            result.fail(error)

    Deferred.fromCoroutine(run())
    return result.wait()
