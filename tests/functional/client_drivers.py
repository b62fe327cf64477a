"""The clients, each driven in the same way: begun from a test's thread, and waited for there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.epollreactor import EPollReactor
from twisted.python.failure import Failure

import unixsvc.aio
import unixsvc.blocking
import unixsvc.client.twisted.client

__all__ = ["AioDriver", "BlockingDriver", "Driver", "TwistedDriver"]

_PATIENCE = 60.0  # seconds; only ever waited for when something is broken

Call = Sequence[Any]


class Driver:
    """One client, wherever it runs.

    :param options: of the client.
    """

    client: Any

    def __init__(self, service: str, **options: Any) -> None:
        raise NotImplementedError

    def begin(self, *call: Any, **options: Any) -> Future[Any]:
        """Make a call; what becomes of it. To cancel that cancels the call."""
        raise NotImplementedError

    def read(self, *call: Any, most: int | None = None, **options: Any) -> Future[list[Any]]:
        """Read a stream; its items.

        :param most: after how many the loop is left.
        """
        raise NotImplementedError

    def close_client(self) -> None:
        """End the client alone."""
        raise NotImplementedError

    def close(self) -> None:
        """End the client, and what it runs on."""
        raise NotImplementedError

    def call(self, *call: Any, **options: Any) -> Any:
        """Make a call, and wait for its result."""
        return self.begin(*call, **options).result(_PATIENCE)

    def outcomes(self, calls: Iterable[Call], at_a_time: int = 64) -> list[Any]:
        """Make many calls, so many at a time: of each, its result or what it has raised."""
        gate, futures = threading.Semaphore(at_a_time), []
        for each in calls:
            assert gate.acquire(timeout=_PATIENCE)
            future = self.begin(*each)
            future.add_done_callback(lambda _: gate.release())
            futures.append(future)
        return [each.exception(_PATIENCE) or each.result() for each in futures]


class BlockingDriver(Driver):
    """The blocking client, in as many threads as there are calls."""

    def __init__(self, service: str, **options: Any) -> None:
        self.client: unixsvc.blocking.Client = unixsvc.blocking.Client(service, **options)
        self._threads = ThreadPoolExecutor(64)

    def begin(self, *call: Any, **options: Any) -> Future[Any]:
        """Make a call in a thread of its own."""
        return self._threads.submit(self.client.call, *call, **options)

    def read(self, *call: Any, most: int | None = None, **options: Any) -> Future[list[Any]]:
        """Read in a thread of its own."""
        return self._threads.submit(self._read, call, most, options)

    def _read(self, call: Call, most: int | None, options: dict[str, Any]) -> list[Any]:
        items: list[Any] = []
        with self.client.stream(*call, **options) as stream:
            for item in stream:
                items.append(item)
                if len(items) == most:
                    break
        return items

    def close_client(self) -> None:
        """End it."""
        self.client.close()

    def close(self) -> None:
        """End its threads, too."""
        self.client.close()
        self._threads.shutdown()


class AioDriver(Driver):
    """The asyncio client, on a loop in a thread."""

    def __init__(self, service: str, **options: Any) -> None:
        self.client: unixsvc.aio.Client = unixsvc.aio.Client(service, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def begin(self, *call: Any, **options: Any) -> Future[Any]:
        """Make a call in a task of its own."""
        return asyncio.run_coroutine_threadsafe(self._call(call, options), self._loop)

    def read(self, *call: Any, most: int | None = None, **options: Any) -> Future[list[Any]]:
        """Read in a task of its own."""
        return asyncio.run_coroutine_threadsafe(self._read(call, most, options), self._loop)

    async def _call(self, call: Call, options: dict[str, Any]) -> Any:
        return await self.client.call(*call, **options)

    async def _read(self, call: Call, most: int | None, options: dict[str, Any]) -> list[Any]:
        items: list[Any] = []
        async with self.client.stream(*call, **options) as stream:
            async for item in stream:
                items.append(item)
                if len(items) == most:
                    break
        return items

    def close_client(self) -> None:
        """End it."""
        leaving = self.client.__aexit__(None, None, None)
        asyncio.run_coroutine_threadsafe(leaving, self._loop).result(_PATIENCE)

    def close(self) -> None:
        """End its loop, too."""
        self.close_client()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class TwistedDriver(Driver):
    """The Twisted client, on a reactor of its own in a thread."""

    def __init__(self, service: str, **options: Any) -> None:
        self._reactor = EPollReactor()
        self.client = unixsvc.client.twisted.client.Client(service, reactor=self._reactor, **options)
        self._thread = threading.Thread(target=self._reactor.run, args=(False,))
        self._thread.start()

    def begin(self, *call: Any, **options: Any) -> Future[Any]:
        """Make a call in the reactor's thread."""
        return self._run(lambda: self.client.call(*call, **options))

    def read(self, *call: Any, most: int | None = None, **options: Any) -> Future[list[Any]]:
        """Read in a coroutine of its own."""
        return self._run(lambda: Deferred.fromCoroutine(self._read(call, most, options)))

    async def _read(self, call: Call, most: int | None, options: dict[str, Any]) -> list[Any]:
        items: list[Any] = []
        async for item in self.client.stream(*call, **options):
            items.append(item)
            if len(items) == most:
                break
        return items

    def _run(self, function: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def failed(failure: Failure) -> None:
            if not failure.check(CancelledError):
                future.set_exception(failure.value)

        def begin() -> None:
            deferred = maybeDeferred(function)
            future.add_done_callback(partial(self._cancel, deferred))
            deferred.addCallbacks(future.set_result, failed)

        self._reactor.callFromThread(begin)
        return future

    def _cancel(self, deferred: Deferred[Any], future: Future[Any]) -> None:
        if future.cancelled():
            self._reactor.callFromThread(deferred.cancel)

    def close_client(self) -> None:
        """End it."""
        done = threading.Event()
        self._reactor.callFromThread(self.client.close)
        self._reactor.callFromThread(done.set)
        done.wait(_PATIENCE)

    def close(self) -> None:
        """End its reactor, too."""
        self.close_client()
        self._reactor.callFromThread(self._reactor.callLater, 0.05, self._reactor.stop)
        self._thread.join()
