"""Something that comes about once, and that many may wait for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

__all__ = ["SharedResult", "run_detached"]


class SharedResult:
    """A result that is not there yet. Who loses interest in it may cancel: that disturbs nobody else."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[Any]] = []
        self._result: Any = None
        self.settled = False

    def settle(self, result: Any = None) -> None:
        """Tell all who wait; only the first call counts.

        :param result: an exception makes them fail.
        """
        if self.settled:
            return
        self.settled = True
        self._result = result
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.called:
                each.errback(Failure(result)) if isinstance(result, Exception) else each.callback(result)

    def wait(self) -> Deferred[Any]:
        """Fires with the result, at once if it is there already."""
        if self.settled:
            return fail(self._result) if isinstance(self._result, Exception) else succeed(self._result)
        waiting: Deferred[Any] = Deferred()
        self._waiting.append(waiting)
        return waiting


def run_detached(coroutine: Coroutine[Any, Any, Any]) -> Deferred[Any]:
    """Run a coroutine to its end, whatever becomes of who waits for it.

    :returns: fires with its result; to cancel it is only not to wait any more.
    """
    outcome = SharedResult()
    Deferred.fromCoroutine(coroutine).addCallbacks(
        outcome.settle, lambda failure: outcome.settle(failure.value)
    )
    return outcome.wait()
