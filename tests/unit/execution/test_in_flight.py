"""Where suspended coroutines wait."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.execution.test_threads import Turns
from unixsvc.domain.coroutine import SuspendedCoroutine, await_result, start
from unixsvc.domain.message import Request
from unixsvc.domain.request_context import set_current_request
from unixsvc.execution.in_flight.stacks import request_of_thread, stack_of
from unixsvc.execution.threads import ThreadRunner


async def inner(waiting: Deferred[Any]) -> None:
    """Wait."""
    await waiting


async def outer(waiting: Deferred[Any]) -> None:
    """Call what waits."""
    await inner(waiting)


async def rows(waiting: Deferred[Any]) -> AsyncGenerator[int, None]:
    """A stream that waits."""
    yield 1
    await inner(waiting)
    yield 2


async def read(items: AsyncGenerator[int, None]) -> list[int]:
    """Read a stream."""
    found = []
    async for each in items:
        found.append(each)  # a comprehension has a frame of its own before Python 3.12
    return found


async def deep(levels: int, waiting: Deferred[Any]) -> None:
    """Wait below many calls."""
    await (deep(levels - 1, waiting) if levels else waiting)


class StackTests(SynchronousTestCase):
    """The frames of a coroutine and of what it awaits."""

    def functions(self, coroutine: Coroutine[Any, Any, Any]) -> list[str]:
        """The functions of the frames, once a coroutine waits."""
        self.addCleanup(coroutine.close)
        start(coroutine)
        return [each.function for each in stack_of(coroutine)]

    def test_nested(self) -> None:
        """The outermost comes first; the Deferred has no frame of its own."""
        self.assertEqual(self.functions(outer(Deferred())), ["outer", "inner"])

    def test_line(self) -> None:
        """The line is the one that waits."""
        coroutine = inner(Deferred())
        self.functions(coroutine)
        [frame] = stack_of(coroutine)
        self.assertEqual((frame.file, frame.line), (__file__, inner.__code__.co_firstlineno + 2))

    def test_stream(self) -> None:
        """A stream that another coroutine reads is followed, though its iterator is written in C."""
        self.assertEqual(self.functions(read(rows(Deferred()))), ["read", "rows", "inner"])

    def test_suspended(self) -> None:
        """So is a coroutine whose first step was run before."""
        suspended = start(outer(Deferred()))
        assert isinstance(suspended, SuspendedCoroutine)
        found = self.functions(await_result(suspended))
        self.assertEqual([each for each in found if "." not in each], ["await_result", "outer", "inner"])

    def test_recursion(self) -> None:
        """The number of frames is limited."""
        self.assertEqual(len(self.functions(deep(500, Deferred()))), 200)

    def test_ended(self) -> None:
        """A coroutine that has ended has no frames."""
        coroutine = outer(Deferred())
        coroutine.close()
        self.assertEqual(stack_of(coroutine), [])


class ThreadTests(SynchronousTestCase):
    """The frames of actions in threads."""

    def test_request(self) -> None:
        """The thread of an action is found by the request in its context; other threads have none."""
        runner, working, done = ThreadRunner(Turns(), 1), threading.Event(), threading.Event()
        self.addCleanup(runner.stopService)
        self.addCleanup(done.set)
        request = Request("GET", "/")

        def action() -> None:
            working.set()
            done.wait(30)

        set_current_request(request)
        self.addCleanup(set_current_request, None)
        runner.run(action)
        working.wait(30)
        stacks = [request_of_thread(each) for each in sys._current_frames().values()]
        [(found, frames)] = filter(None, stacks)
        self.assertIs(found, request)
        self.assertEqual(frames[0].function.rpartition(".")[2], "action")
        self.assertIsNone(request_of_thread(sys._getframe()))
