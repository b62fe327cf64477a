"""A pool of threads of its own for actions that block, so that they hold up nothing else."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from zope.interface import implementer

from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.errors import Unavailable

__all__ = ["ThreadRunner"]

_Job = tuple[Callable[[], Any], "Deferred[Any]"]


@implementer(IBlockingRunner)
class ThreadRunner(Service):
    """Calls functions in threads. What is cancelled before its turn is never called, and not kept.

    The queue is here and not the executor's, which would keep what was cancelled until a thread is free.

    :param size: how many threads at most.
    """

    def __init__(self, reactor: IReactorFromThreads, size: int = 8) -> None:
        self._reactor = reactor
        self._size = size
        self._threads = ThreadPoolExecutor(size, "blocking")
        self._busy = 0
        self._waiting: dict[int, _Job] = {}  # in the order in which they have come
        self._last = 0
        self._stopped = False

    def stopService(self) -> None:
        """Take no more work.

        What is being called is not waited for: its caller has been answered, or has given up.
        """
        super().stopService()
        self._stopped = True
        waiting, self._waiting = self._waiting, {}
        for _, deferred in waiting.values():
            if not deferred.called:  # one that is told may cancel another
                deferred.errback(Unavailable())
        self._threads.shutdown(wait=False)

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        """Call the function in a thread.

        :returns: fires with its result, or fails with its exception; with
            :class:`~unixsvc.errors.Unavailable` once the threads have ended.
        """
        if self._stopped:
            return fail(Unavailable())
        self._last += 1
        number = self._last
        deferred: Deferred[Any] = Deferred(lambda _: self._forget(number))
        self._waiting[number] = function, deferred
        self._fill()
        return deferred

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)

    def _fill(self) -> None:
        while self._busy < self._size and self._waiting:
            self._busy += 1
            function, deferred = self._waiting.pop(next(iter(self._waiting)))
            self._threads.submit(function).add_done_callback(partial(self._leave, deferred))

    def _leave(self, deferred: Deferred[Any], future: Future[Any]) -> None:
        self._reactor.callFromThread(self._tell, future, deferred)

    def _tell(self, future: Future[Any], deferred: Deferred[Any]) -> None:
        self._busy -= 1
        if not deferred.called:  # else cancelled while it ran: nobody waits for it any more
            error = future.exception()
            deferred.callback(future.result()) if error is None else deferred.errback(error)
        self._fill()
