"""Work that no request waits for: after a reply, or as long as the application runs."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import copy_context
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from msgspec.structs import replace
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from unixsvc.domain.action_runner import ActionRunner
from unixsvc.domain.interfaces import IBlockingRunner
from unixsvc.domain.message import Request
from unixsvc.domain.request_context import RequestContext, current_request, set_current_request
from unixsvc.errors import Cancelled, ServiceError
from unixsvc.execution.action_driver import ActionDriver
from unixsvc.telemetry.metrics.snapshot import TaskStats

__all__ = ["RunningCoroutine", "Tasks"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
# An application may give each task a name of its own; the reports of a worker must stay short all the same.
_MAX_REPORTED: Final = 100


class RunningCoroutine(ActionDriver[_T]):
    """A coroutine that is driven outside of requests. It must not raise an exception.

    :param request_context: for its calls to other services, and for the log.
    :param on_end: called with its result.
    """

    def __init__(
        self,
        coroutine: Coroutine[object, Any, _T],
        request_context: RequestContext | None,
        on_end: Callable[[_T], object],
    ) -> None:
        if request_context is None:
            set_current_request(None)
        else:
            request, deadline = request_context
            set_current_request(request, deadline)
        super().__init__()
        self._coroutine = coroutine
        self._on_end = on_end
        self._timer: IDelayedCall | None = None

    def set_timeout(self, reactor: IReactorTime, seconds: float, error: ServiceError) -> None:
        """Interrupt it with an error after a time."""
        self._timer = reactor.callLater(seconds, self.interrupt, error)

    def start(self) -> None:
        """Run the first step."""
        try:
            awaited = self._context.run(self._coroutine.send, None)
        except StopIteration as stop:
            self._on_return(stop.value)
        else:
            self._wait_for(awaited)

    def interrupt(self, reason: ServiceError) -> None:
        """Raise an error in the coroutine where it waits."""
        self._interrupt(reason)

    def _on_return(self, value: _T) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._on_end(value)


class Tasks:
    """Runs what the application does beside its requests; from the container.

    Each task has a name in ``unixsvc status``, and its failure is logged at once. A worker that drains waits
    for its tasks, up to ``drain_timeout``; then it cancels them.

    :param service: the name of the service, for the log.
    :param blocking: calls functions that are not coroutine functions, in threads.
    :param runner: runs coroutines.
    """

    def __init__(
        self, service: str, blocking: IBlockingRunner, runner: ActionRunner, reactor: IReactorTime
    ) -> None:
        self.runner = runner
        self._blocking = blocking
        self._reactor = reactor
        self._log = Logger(namespace=service)
        self._numbers = itertools.count()
        self._running: dict[int, RunningCoroutine[Failure | None]] = {}
        self._endless: set[int] = set()
        self._stats: dict[str, TaskStats] = {}
        self._stopping = self._aborted = False

    @property
    def running(self) -> int:
        """The number of tasks that have not ended."""
        return len(self._running)

    def start(self, function: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Run a coroutine function, or another function in a thread, to its end. A drain waits for it.

        It keeps the id of the request that starts it, but neither its deadline nor its cancellation.
        """
        self._start(function, partial(function, *args, **kwargs), endless=False)

    def start_endless(self, function: Callable[_P, object], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Run a coroutine function that never ends, as a consumer of a queue.

        When the worker has answered its last request, the task is cancelled: CancelledError is raised where
        it waits, and the worker waits for its end.
        """
        self._start(function, partial(function, *args, **kwargs), endless=True)

    def after_reply(self, request: Request, work: list[Callable[[], object]]) -> None:
        """Start the background work of a request in the next turn of the reactor, when its reply is sent."""
        for call in work:
            self._reactor.callLater(0, self._start_for, request, call)

    def stop(self) -> None:
        """Cancel the endless tasks, and those that are started from now on."""
        self._stopping = True
        for number in list(self._endless):
            self._running[number].interrupt(Cancelled())

    def abort(self) -> None:
        """Cancel all tasks."""
        self._aborted = True
        self.stop()
        for task in list(self._running.values()):
            task.interrupt(Cancelled())

    def stats(self) -> dict[str, TaskStats]:
        """The counters of at most 100 names."""
        return dict(itertools.islice(self._stats.items(), _MAX_REPORTED))

    def _start_for(self, request: Request, call: Callable[[], object]) -> None:
        copy_context().run(self._start_in_context, request, call)

    def _start_in_context(self, request: Request, call: Callable[[], object]) -> None:
        set_current_request(request)
        self._start(getattr(call, "func", call), call, endless=False)

    def _start(self, function: Callable[..., object], call: Callable[[], object], *, endless: bool) -> None:
        name = getattr(function, "__qualname__", type(function).__name__)
        number = next(self._numbers)
        current = current_request()
        # Neither the deadline of the request nor the time limit of its caller applies.
        context = None if current is None else (replace(current[0], timeout=None), math.inf)
        self._count(name, TaskStats(running=1))
        ended = partial(self._ended, number, name, "" if current is None else current[0].request_id)
        task = copy_context().run(RunningCoroutine, self._run(function, call), context, ended)
        self._running[number] = task
        if endless:
            self._endless.add(number)
        task.start()
        if self._aborted or (endless and self._stopping):
            task.interrupt(Cancelled())

    async def _run(self, function: Callable[..., object], call: Callable[[], object]) -> Failure | None:
        try:
            if inspect.iscoroutinefunction(function):
                coroutine: Any = call()
                await self.runner.run(coroutine)
            else:
                await self._blocking.run(partial(_call_in_thread, call))
        except GeneratorExit:
            raise
        except BaseException:  # asyncio's CancelledError is no Exception
            return Failure()
        return None

    def _ended(self, number: int, name: str, request_id: str, failure: Failure | None) -> None:
        del self._running[number]
        expected = number in self._endless and self._stopping
        self._endless.discard(number)
        if failure is None or (expected and _is_interruption(failure)):
            self._count(name, TaskStats(running=-1, done=1))
        elif self._aborted and _is_interruption(failure):
            self._count(name, TaskStats(running=-1, interrupted=1))
            self._log.warn("the task {name} was interrupted", name=name, request_id=request_id)
        else:
            self._count(name, TaskStats(running=-1, failed=1))
            self._log.failure("the task {name} failed", failure, name=name, request_id=request_id)

    def _count(self, name: str, change: TaskStats) -> None:
        self._stats[name] = self._stats.get(name, TaskStats()) + change


def _is_interruption(failure: Failure) -> bool:
    return failure.check(Cancelled, CancelledError, "asyncio.exceptions.CancelledError") is not None


def _call_in_thread(call: Callable[[], object]) -> None:
    result = call()
    if isinstance(result, Awaitable):
        if isinstance(result, Coroutine):
            result.close()
        raise TypeError("a plain function returned an awaitable; pass the coroutine function itself")
