"""A pool of threads of its own for actions that block, so that they hold up nothing else."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorFromThreads
from twisted.python.failure import Failure
from zope.interface import implementer

from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.errors import Unavailable

__all__ = ["ThreadRunner"]

_Job = tuple[Callable[[], Any], "Deferred[Any]"]


@implementer(IBlockingRunner)
class ThreadRunner(Service):
    """Calls functions in threads. What is cancelled before its turn is never called, and not kept.

    The threads are daemons: one that blocks for ever must not keep the process from ending, which is what
    those of ``concurrent.futures`` and of Twisted do.

    :param size: how many threads at most.
    """

    def __init__(self, reactor: IReactorFromThreads, size: int = 8) -> None:
        self._reactor = reactor
        self._size = size
        self._threads = 0
        self._busy = 0
        self._waiting: dict[int, _Job] = {}  # in the order in which they have come
        self._suspended: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._last = 0
        self._stopped = False

    def stopService(self) -> None:
        """Take no more work.

        What is being called is not waited for: its caller has been answered, or has given up.
        """
        super().stopService()
        self._stopped = True
        self._refuse_waiting()
        for _ in range(self._threads):
            self._suspended.put(None)

    def run(self, function: Callable[[], Any]) -> Deferred[Any]:
        """Call the function in a thread, with the context variables of whoever wants that.

        :returns: fires with its result, or fails with its exception; with
            :class:`~unixsvc.errors.Unavailable` once the threads have ended, or if none can be started.
        """
        if self._stopped:
            return fail(Unavailable())
        self._last += 1
        number = self._last
        deferred: Deferred[Any] = Deferred(lambda _: self._forget(number))
        self._waiting[number] = partial(copy_context().run, function), deferred
        self._fill()
        return deferred

    def _forget(self, number: int) -> None:
        self._waiting.pop(number, None)

    def _fill(self) -> None:
        """Give what waits to the threads that are free, or can be started."""
        while self._waiting and self._busy < self._size:
            if self._busy == self._threads and not self._start_thread():
                break
            self._busy += 1
            self._suspended.put(self._waiting.pop(next(iter(self._waiting))))
        if self._waiting and not self._threads:
            self._refuse_waiting()

    def _start_thread(self) -> bool:
        thread = threading.Thread(target=self._work, name=f"blocking-{self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # how Python says that the system gives it no more
            return False
        self._threads += 1
        return True

    def _work(self) -> None:
        while (job := self._suspended.get()) is not None:
            function, deferred = job
            try:
                result = function()
            except BaseException as error:  # the border: whatever it is, the caller gets it
                result = Failure(error)
            self._reactor.callFromThread(self._tell, deferred, result)
            del job, function, deferred, result  # else kept until the next job comes

    def _tell(self, deferred: Deferred[Any], result: Any) -> None:
        self._busy -= 1
        if not deferred.called:  # else cancelled while it ran: nobody waits for it any more
            deferred.errback(result) if isinstance(result, Failure) else deferred.callback(result)
        if not self._stopped:
            self._fill()

    def _refuse_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for _, deferred in waiting.values():
            if not deferred.called:  # one that is told may cancel another
                deferred.errback(Unavailable())
