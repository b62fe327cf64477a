"""A pool of threads of its own for actions that block, so that they hold up nothing else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.errors import Unavailable

__all__ = ["ThreadRunner"]


@implementer(IBlockingRunner)
class ThreadRunner(Service):
    """Calls functions in threads. What is cancelled before its turn is never called.

    :param size: how many threads at most.
    """

    def __init__(self, reactor: IReactorFromThreads, size: int = 8) -> None:
        self._reactor = reactor
        self._threads = ThreadPoolExecutor(size, "blocking")

    def stopService(self) -> None:
        """Take no more work.

        What is being called is not waited for: its caller has been answered, or has given up.
        """
        super().stopService()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        """Call the function in a thread.

        :returns: fires with its result, or fails with its exception; with
            :class:`~unixsvc.errors.Unavailable` once the threads have ended.
        """
        try:
            future: Future[Any] = self._threads.submit(function)
        except RuntimeError:  # how an executor says that it is shut down
            return fail(Unavailable())

        def cancel(_: Deferred[Any]) -> None:
            future.cancel()

        deferred: Deferred[Any] = Deferred(cancel)

        def tell() -> None:
            if deferred.called:
                return  # cancelled while it ran: nobody waits for it any more
            error = future.exception()
            deferred.callback(future.result()) if error is None else deferred.errback(error)

        def done(future: Future[Any]) -> None:
            if not future.cancelled():
                self._reactor.callFromThread(tell)

        future.add_done_callback(done)
        return deferred
