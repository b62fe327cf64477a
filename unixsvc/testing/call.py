"""The result of a call, and the event loop that actions run on, for tests of every style."""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Final, TypeVar, cast

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from unixsvc.execution.action_task import ActionTask

__all__ = ["Call", "CallLoop", "LoopClock"]

T = TypeVar("T")

_CLOSE_TIMEOUT: Final = 10.0  # seconds


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
        :raises unixsvc.errors.ServiceError: if the call has failed.
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
        loop = _running_loop()
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


class CallLoop:
    """The event loop that the actions of one service in memory run on.

    An asynchronous test runs on a loop already, which also serves the actions. For any other test there is a
    loop that runs during each call, and while :meth:`wait` waits. Actions that a running Twisted reactor
    calls have the loop of the reactor, if any.

    :ivar on_close: closes the service.
    """

    def __init__(self) -> None:
        self.on_close: Callable[[], Deferred[None]] = lambda: succeed(None)
        self._loop: AbstractEventLoop | None = None
        self._own: AbstractEventLoop | None = None

    @property
    def busy(self) -> bool:
        """Whether an event loop or a reactor runs, so that nothing may wait here."""
        return _running_loop() is not None or (self._loop is None and _reactor_runs())

    def run(self, function: Callable[[], T]) -> T:
        """Call a function while the loop runs."""
        self._loop = _running_loop() or self._loop
        if self.busy:
            return function()

        async def call() -> T:
            return function()

        return self._idle_loop().run_until_complete(call())

    def wait(self, deferred: Deferred[Any], seconds: float) -> None:
        """Run the loop until a Deferred has fired.

        :raises TimeoutError: if it does not fire in time.
        :raises RuntimeError: in a test that runs on an event loop itself.
        """
        results: list[object] = []

        def keep(result: object) -> object:
            results.append(result)
            return result

        deferred.addBoth(keep)
        if results:  # "called" would be true while it waits for another Deferred
            return
        if self.busy:
            raise RuntimeError("the event loop of the test runs: await the call instead of its wait()")
        loop = self._idle_loop()
        fired = _fired(loop, deferred)
        loop.run_until_complete(asyncio.wait([fired], timeout=seconds))
        if not fired.done():
            raise TimeoutError(
                f"no reply within {seconds:g} s; if the action waits for the reactor's time, call "
                "service.clock.advance() first"
            )

    def close(self) -> Deferred[None]:
        """Close the service on its loop, and the loop if it is not that of the test.

        :returns: has fired already, unless an event loop or a reactor runs.
        """
        closed = self.run(self.on_close)
        if not self.busy:
            self.wait(closed, _CLOSE_TIMEOUT)
        if self._own is not None:
            self._own.run_until_complete(self._own.shutdown_asyncgens())
            self._own.close()
            self._own = None
        return closed

    def _idle_loop(self) -> AbstractEventLoop:
        """The loop of the test while it exists, for fixtures that are not asynchronous; else our own."""
        if self._loop is None or self._loop.is_closed():
            self._loop = self._own = asyncio.new_event_loop()
        return self._loop


class LoopClock(Clock):
    """A clock that is advanced while the event loop of the test runs."""

    def __init__(self, loop: CallLoop) -> None:
        super().__init__()
        self._loop = loop

    def advance(self, amount: float) -> None:
        """Advance the time, and call what is due."""
        self._loop.run(partial(super().advance, amount))


def _fired(loop: AbstractEventLoop, deferred: Deferred[Any]) -> Future[None]:
    """A future that is done when a Deferred has fired, whose result it leaves alone."""
    future: Future[None] = loop.create_future()

    def fired(result: T) -> T:
        if not future.done():
            future.set_result(None)
        return result

    deferred.addBoth(fired)
    return future


def _running_loop() -> AbstractEventLoop | None:
    """The asyncio event loop that runs in this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _reactor_runs() -> bool:
    """Whether a Twisted reactor runs in this process, as under pytest-twisted."""
    reactor = sys.modules.get("twisted.internet.reactor")  # importing it would install one
    return reactor is not None and bool(getattr(reactor, "running", False))
