"""The request id of records, wherever an application logs."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import copy_context
from typing import Any, cast

import anyio.to_thread
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.logger import ILogObserver, Logger, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

import unixsvc.testing.host
from tests.unit.execution.on_loop import call, on_each_loop, turns
from unixsvc import GET, App, current_request_id
from unixsvc.domain.request_context import set_current_request
from unixsvc.execution.threads import ThreadRunner
from unixsvc.telemetry.logs import LogLevelFilter, LogObserver
from unixsvc.telemetry.stdlib.handlers import PythonLogging
from unixsvc.testing import MemoryService

_META = {"request_id": "r1"}


def _log(where: str = "here") -> None:
    logging.getLogger("library").info(where)


class RequestIdTests(SynchronousTestCase):
    """Events of an application have the id of the request that it serves."""

    def setUp(self) -> None:
        """Collect the events of the application; another test may not have ended a request."""
        set_current_request(None)
        python = PythonLogging(LogLevelFilter("info").observe)
        python.install()
        self.addCleanup(python.remove)
        self.lines: list[dict[str, Any]] = []
        observer = cast(ILogObserver, LogObserver("json", self._write))
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def _write(self, line: bytes) -> None:
        self.lines.append(json.loads(line))

    def ids(self) -> list[tuple[str, str]]:
        """What was logged, and the ids."""
        found = [
            (line["message"], line.get("request_id", ""))
            for line in self.lines
            if line["namespace"] in ("library", __name__)
        ]
        self.lines.clear()
        return found

    def served(
        self,
        action: Callable[..., Any],
        during: Callable[[MemoryService], Awaitable[object]] | None = None,
    ) -> list[tuple[str, str]]:
        """What was logged by an action on one of the event loops; it is the same on both."""
        call(action, during, meta=_META)
        found = self.ids()
        half = len(found) // 2
        self.assertEqual(found[:half], found[half:])
        return found[:half]

    def test_plain(self) -> None:
        """A plain action, and one that does not wait."""

        async def action() -> None:
            _log()
            Logger().info("by Twisted")

        self.assertEqual(self.served(_log), [("here", "r1")])
        self.assertEqual(self.served(action), [("here", "r1"), ("by Twisted", "r1")])
        self.assertEqual(current_request_id(), "")

    def test_waiting(self) -> None:
        """An action before and after it waits, for asyncio and for a Deferred."""

        async def action() -> None:
            _log("before")
            await asyncio.sleep(0)
            _log("between")
            deferred: Deferred[None] = Deferred()
            asyncio.get_running_loop().call_soon(deferred.callback, None)
            await deferred
            _log("after")

        self.assertEqual(self.served(action), [("before", "r1"), ("between", "r1"), ("after", "r1")])

    def test_tasks(self) -> None:
        """Tasks that an action waits for, and one that outlives it, although the action has not waited."""

        async def job(name: str) -> None:
            _log(f"{name} begins")
            await asyncio.sleep(0)
            _log(f"{name} ends")

        async def action() -> None:
            await asyncio.gather(job("one"), job("two"))

        async def forgets() -> None:
            self.task = asyncio.create_task(job("forgotten"))

        messages = [message for message, _ in self.served(action)]
        self.assertEqual(messages, ["one begins", "two begins", "one ends", "two ends"])
        call(action, meta=_META)
        self.assertEqual({request_id for _, request_id in self.ids()}, {"r1"})
        self.assertEqual(self.served(forgets), [("forgotten begins", "r1"), ("forgotten ends", "r1")])

    def test_threads_of_asyncio(self) -> None:
        """``asyncio.to_thread`` at the start of an action, anyio's threads, and copies of the context."""

        async def action() -> None:
            await asyncio.to_thread(_log, "asyncio")
            await anyio.to_thread.run_sync(_log, "anyio")
            thread = threading.Thread(target=copy_context().run, args=(_log, "own"))
            thread.start()
            thread.join()

        async def wait(_: MemoryService) -> None:
            await asyncio.sleep(0.01)

        self.assertEqual(self.served(action, wait), [("asyncio", "r1"), ("anyio", "r1"), ("own", "r1")])

    def test_blocking(self) -> None:
        """The thread of a blocking action."""
        reactor, done = _Reactor(), threading.Event()
        runner = ThreadRunner(cast(IReactorFromThreads, reactor), 1)
        self.addCleanup(runner.stopService)

        def action() -> None:
            _log()
            done.set()

        self.patch(unixsvc.testing.host, "ImmediateRunner", lambda: runner)
        service = MemoryService(App([GET("/", action, blocking=True)]))
        service.call("GET", "/", {}, meta=_META)
        self.assertTrue(done.wait(60))
        self.assertEqual(self.ids(), [("here", "r1")])

    def test_stream(self) -> None:
        """A stream, at each item."""

        async def numbers() -> AsyncIterator[int]:
            for number in range(2):
                _log(f"item {number}")
                yield number
                await asyncio.sleep(0)

        async def main() -> None:
            service = MemoryService(App([GET("/", numbers)]))
            service.stream("/")
            await turns()

        for _ in on_each_loop(main):
            (first, request_id), second = self.ids()
            self.assertEqual((first, second), ("item 0", ("item 1", request_id)))
            self.assertTrue(request_id)

    def test_own_id(self) -> None:
        """An id that the call passes is used."""

        def action() -> None:
            Logger().info("passed", request_id="mine")

        self.assertEqual(self.served(action), [("passed", "mine")])


class _Reactor:
    def callFromThread(self, call: Callable[..., object], *arguments: object) -> None:
        """The event loop is not run."""
