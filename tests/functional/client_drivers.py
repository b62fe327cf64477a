"""The three clients behind one interface: a test starts calls from its thread, and waits for them."""

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

_TIMEOUT = 60.0  # seconds; only reached if a test fails

Call = Sequence[Any]


class Driver:
    """One client, on whatever it runs.

    :param options: of the client.
    """

    client: Any

    def __init__(self, service: str, **options: Any) -> None:
        raise NotImplementedError

    def start_call(self, *call: Any, **options: Any) -> Future[Any]:
        """Start a call. Cancelling the future cancels the call."""
        raise NotImplementedError

    def read(self, *call: Any, most: int | None = None, **options: Any) -> Future[list[Any]]:
        """Read a stream into a list.

        :param most: leave the loop after so many items.
        """
        raise NotImplementedError

    def close_client(self) -> None:
        """Close the client."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the client, and stop what it runs on."""
        raise NotImplementedError

    def call(self, *call: Any, **options: Any) -> Any:
        """Make a call, and wait for its result."""
        return self.start_call(*call, **options).result(_TIMEOUT)

    def outcomes(self, calls: Iterable[Call], at_a_time: int = 64) -> list[Any]:
        """Make many calls, a number at a time; the result or the exception of each."""
        gate, futures = threading.Semaphore(at_a_time), []
        for each in calls:
            assert gate.acquire(timeout=_TIMEOUT)
            future = self.start_call(*each)
            future.add_done_callback(lambda _: gate.release())
            futures.append(future)
        return [each.exception(_TIMEOUT) or each.result() for each in futures]


class BlockingDriver(Driver):
    """The blocking client, in a pool of threads."""

    def __init__(self, service: str, **options: Any) -> None:
        self.client: unixsvc.blocking.Client = unixsvc.blocking.Client(service, **options)
        self._threads = ThreadPoolExecutor(64)

    def start_call(self, *call: Any, **options: Any) -> Future[Any]:
        """Start a call in a thread."""
        return self._threads.submit(self.client.call, *call, **options)

    def read(self, *call: Any, most: int | None = None, **options: Any) -> Future[list[Any]]:
        """Read in a thread."""
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
        """Close it."""
        self.client.close()

    def close(self) -> None:
        """Close it, and stop the threads."""
        self.client.close()
        self._threads.shutdown()


class AioDriver(Driver):
    """The asyncio client, on an event loop in a thread."""

    def __init__(self, service: str, **options: Any) -> None:
        self.client: unixsvc.aio.Client = unixsvc.aio.Client(service, **options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def start_call(self, *call: Any, **options: Any) -> Future[Any]:
        """Start a call in a task."""
        return asyncio.run_coroutine_threadsafe(self._call(call, options), self._loop)

    def read(self, *call: Any, most: int | None = None, **options: Any) -> Future[list[Any]]:
        """Read in a task."""
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
        """Close it."""
        leaving = self.client.__aexit__(None, None, None)
        asyncio.run_coroutine_threadsafe(leaving, self._loop).result(_TIMEOUT)

    def close(self) -> None:
        """Close it, and stop the loop."""
        self.close_client()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class TwistedDriver(Driver):
    """The Twisted client, on a reactor in a thread."""

    def __init__(self, service: str, **options: Any) -> None:
        self._reactor = EPollReactor()
        self.client = unixsvc.client.twisted.client.Client(service, reactor=self._reactor, **options)
        self._thread = threading.Thread(target=self._reactor.run, args=(False,))
        self._thread.start()

    def start_call(self, *call: Any, **options: Any) -> Future[Any]:
        """Start a call in the thread of the reactor."""
        return self._run(lambda: self.client.call(*call, **options))

    def read(self, *call: Any, most: int | None = None, **options: Any) -> Future[list[Any]]:
        """Read in a coroutine."""
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

        def start() -> None:
            deferred = maybeDeferred(function)
            future.add_done_callback(partial(self._cancel, deferred))
            deferred.addCallbacks(future.set_result, failed)

        self._reactor.callFromThread(start)
        return future

    def _cancel(self, deferred: Deferred[Any], future: Future[Any]) -> None:
        if future.cancelled():
            self._reactor.callFromThread(deferred.cancel)

    def close_client(self) -> None:
        """Close it."""
        done = threading.Event()
        self._reactor.callFromThread(self.client.close)
        self._reactor.callFromThread(done.set)
        done.wait(_TIMEOUT)

    def close(self) -> None:
        """Close it, and stop the reactor."""
        self.close_client()
        self._reactor.callFromThread(self._reactor.callLater, 0.05, self._reactor.stop)
        self._thread.join()
