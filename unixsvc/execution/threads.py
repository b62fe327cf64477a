"""A thread pool for blocking actions, so that they do not block the event loop."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.errors import Unavailable

__all__ = ["ThreadRunner"]

_T = TypeVar("_T")
_Job = tuple[Callable[[], object], Deferred[Any]]


@implementer(IBlockingRunner)
class ThreadRunner(Service):
    """Calls functions in threads. A job that is cancelled before it starts is removed from the queue.

    The threads are daemon threads: unlike those of ``concurrent.futures`` and of Twisted, a thread that
    blocks forever does not prevent the process from ending.

    :param size: the maximum number of threads.
    """

    def __init__(self, reactor: IReactorFromThreads, size: int = 8) -> None:
        self._reactor = reactor
        self._size = size
        self._threads = 0
        self._busy = 0
        self._pending: dict[int, _Job] = {}  # in the order of their arrival
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._last = 0
        self._stopped = False

    @property
    def queued(self) -> int:
        """The number of jobs that wait for a thread."""
        return len(self._pending)

    def stopService(self) -> None:
        """Accept no more jobs.

        Running jobs are not awaited: their requests have a reply already.
        """
        super().stopService()
        self._stopped = True
        self._refuse_pending()
        for _ in range(self._threads):
            self._queue.put(None)

    def run(self, function: Callable[[], _T]) -> Deferred[_T]:
        """Call the function in a thread, with the context variables of the caller.

        :returns: fires with the result, or fails with the exception; fails with
            :class:`~unixsvc.errors.Unavailable` after :meth:`stopService`, or if no thread can be started.
        """
        if self._stopped:
            return fail(Unavailable())
        self._last += 1
        number = self._last
        deferred: Deferred[_T] = Deferred(lambda _: self._remove(number))
        self._pending[number] = partial(copy_context().run, function), deferred
        self._assign_jobs()
        return deferred

    def _remove(self, number: int) -> None:
        self._pending.pop(number, None)

    def _assign_jobs(self) -> None:
        """Assign pending jobs to idle threads, or to new ones."""
        while self._pending and self._busy < self._size:
            if self._busy == self._threads and not self._start_thread():
                break
            self._busy += 1
            self._queue.put(self._pending.pop(next(iter(self._pending))))
        if self._pending and not self._threads:
            self._refuse_pending()

    def _start_thread(self) -> bool:
        thread = threading.Thread(target=self._work, name=f"blocking-{self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system's limit of threads is reached
            return False
        self._threads += 1
        return True

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            function, deferred = job
            try:
                result: object = function()
            except BaseException as error:  # every exception goes to the caller
                result = Failure(error)
            self._reactor.callFromThread(self._finish, deferred, result)
            del job, function, deferred, result  # they would stay referenced until the next job

    def _finish(self, deferred: Deferred[Any], result: object) -> None:
        self._busy -= 1
        if not deferred.called:  # otherwise the job was cancelled while it ran
            deferred.errback(result) if isinstance(result, Failure) else deferred.callback(result)
        if not self._stopped:
            self._assign_jobs()

    def _refuse_pending(self) -> None:
        pending, self._pending = self._pending, {}
        for _, deferred in pending.values():
            if not deferred.called:  # a callback may cancel another job
                deferred.errback(Unavailable())
