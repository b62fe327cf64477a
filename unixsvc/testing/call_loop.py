"""The asyncio event loop of a test: that of the test itself, or one that runs while the test calls."""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from typing import Any, Final, TypeVar

from twisted.internet.defer import Deferred, succeed

__all__ = ["CallLoop", "reactor_runs", "running_loop"]

T = TypeVar("T")

_CLOSE_TIMEOUT: Final = 10.0  # seconds


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
        return running_loop() is not None or reactor_runs()

    def run(self, function: Callable[[], T]) -> T:
        """Call a function while the loop runs."""
        self._loop = running_loop() or self._loop
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
        if deferred.called:
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


def _fired(loop: AbstractEventLoop, deferred: Deferred[Any]) -> Future[None]:
    """A future that is done when a Deferred has fired, whose result it leaves alone."""
    future: Future[None] = loop.create_future()

    def fired(result: T) -> T:
        if not future.done():
            future.set_result(None)
        return result

    deferred.addBoth(fired)
    return future


def running_loop() -> AbstractEventLoop | None:
    """The asyncio event loop that runs in this thread, if any."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def reactor_runs() -> bool:
    """Whether a Twisted reactor runs in this process, as under pytest-twisted."""
    reactor = sys.modules.get("twisted.internet.reactor")  # importing it would install one
    return reactor is not None and bool(getattr(reactor, "running", False))
