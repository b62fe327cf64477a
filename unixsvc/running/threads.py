"""A pool of threads of its own for actions that block, so that they hold up nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from unixsvc.domain.interfaces import IBlockingRunner

__all__ = ["ThreadRunner"]


@implementer(IBlockingRunner)
class ThreadRunner(Service):
    """Calls functions in threads. What is cancelled before its turn is never called.

    :param size: how many threads at most.
    """

    def __init__(self, reactor: IReactorFromThreads, size: int = 8) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(0, size, "blocking")

    def startService(self) -> None:
        """Begin to take work."""
        super().startService()
        self._pool.start()

    def stopService(self) -> None:
        """Wait for what is being called, and end the threads."""
        super().stopService()
        self._pool.stop()

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        """Call the function in a thread.

        :returns: fires with its result, or fails with its exception.
        """
        cancelled: list[bool] = []
        deferred: Deferred[Any] = Deferred(lambda _: cancelled.append(True))

        def call() -> Any:
            return None if cancelled else function()

        def tell(success: bool, result: Any) -> None:
            if not cancelled:
                deferred.callback(result) if success else deferred.errback(result)

        self._pool.callInThreadWithCallback(
            lambda *outcome: self._reactor.callFromThread(tell, *outcome), call
        )
        return deferred
