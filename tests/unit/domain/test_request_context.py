"""The request context of actions."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, Callable
from contextvars import Context, copy_context
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.domain.test_handle_message import FakeDependencies
from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.handle_message import HandleMessage
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.request_context import (
    RequestSlot,
    current_request,
    current_request_id,
    current_slot,
    keep_current_request,
    set_current_request,
    set_shield,
)
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, DeadlineExceeded
from unixsvc.execution.action_driver import RunningAction
from unixsvc.execution.streaming import RunningStream

REQUEST = Request("GET", "/", timeout=4.0)


class Seeing(FakeDependencies):
    """An action that records its request context before and after it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.inner: Deferred[Any] | None = None
        self.shield = False
        self.items: AsyncGenerator[bytes, None] | None = None

    async def _answer(self, request: Request) -> Reply:
        """Record the context."""
        self.see()
        if self.items is not None:
            return Reply(items=self.items)
        if self.shield:
            set_shield(self)
        if self.inner is not None:
            Deferred.fromCoroutine(self.aside(self.inner))
        reply = await super()._answer(request)
        self.see()
        return reply

    async def aside(self, inner: Deferred[Any]) -> None:
        """A coroutine that the action starts."""
        await inner
        self.see()

    def see(self) -> None:
        """Record the context."""
        self.seen.append(current_request())


class CurrentTestCase(SynchronousTestCase):
    keep = True

    def setUp(self) -> None:
        """Create a use case, in a context without a request that another test has not ended."""
        set_current_request(None)
        self.addCleanup(set_current_request, None)
        self.around = Seeing()
        self.clock = Clock()
        self.replies: list[Any] = []
        self.handle = self.make(keep_current=self.keep)

    def make(self, **options: Any) -> HandleMessage:
        """Create a use case."""
        around = self.around
        return HandleMessage(
            around, around, around, around, max_inflight=9, request_timeout=30.0, now=lambda: 100.0, **options
        )

    def start(self, request: Request = REQUEST) -> RunningAction | None:
        """Start a request as a connection does."""
        answer = self.handle(request)
        if not isinstance(answer, SuspendedCoroutine):
            self.replies.append(answer)
            return None
        return RunningAction(answer, self.clock, 4.0, self.replies.append)

    def waiting(self, request: Request = REQUEST) -> RunningAction:
        """Start a request that waits."""
        self.around.waits = Deferred()
        running = self.start(request)
        assert running is not None
        return running


class CurrentTests(CurrentTestCase):
    def test_at_once(self) -> None:
        """An action that does not wait has the context during its call, and there is none afterwards."""
        self.start()
        self.assertEqual(self.around.seen, [(REQUEST, 104.0)] * 2)
        self.assertIsNone(current_request())

    def test_our_limit(self) -> None:
        """The deadline in the context is that of the service if the caller has none, or a later one."""
        for timeout in (None, 31.0):
            self.around.seen.clear()
            self.start(Request("GET", "/", timeout=timeout))
            self.assertEqual(self.around.seen[0][1], 130.0)

    def test_refused(self) -> None:
        """A refused request leaves no context behind."""
        self.start(Request("GET", "/", timeout=0.0))
        self.assertIsNone(current_request())

    def test_after_waiting(self) -> None:
        """An action that waits has the context in its later steps; there is none between and after them."""
        self.waiting()
        self.assertIsNone(current_request())
        assert self.around.waits is not None
        self.around.waits.callback(None)
        self.assertEqual(self.around.seen, [(REQUEST, 104.0)] * 2)
        self.assertIsNone(current_request())
        self.assertEqual(len(self.replies), 1)

    def test_two(self) -> None:
        """Actions that wait at the same time have their own contexts, in any order of their steps."""
        waits = []
        requests = [Request("GET", f"/{number}") for number in range(3)]
        for each in requests:
            self.waiting(each)
            waits.append(self.around.waits)
        self.around.seen.clear()
        for wait in (waits[1], waits[2], waits[0]):
            assert wait is not None
            wait.callback(None)
        found = [each[0] for each in self.around.seen]
        self.assertEqual(found, [requests[1], requests[2], requests[0]])

    def test_started_besides(self) -> None:
        """A coroutine that an action starts inherits the context."""
        self.around.inner = Deferred()
        self.start()
        self.around.seen.clear()
        self.start(Request("GET", "/other"))
        self.around.seen.clear()
        self.around.inner.callback(None)
        self.assertIn(REQUEST, [each[0] for each in self.around.seen])

    def test_stream(self) -> None:
        """The generator of a stream has the context in each step, with the time limit of the caller only."""

        async def items() -> AsyncGenerator[bytes, None]:
            self.around.see()
            yield b"1"
            await waits
            self.around.see()
            yield b"2"

        for timeout, until in ((4.0, 104.0), (None, math.inf)):
            waits: Deferred[None] = Deferred()
            self.around.seen.clear()
            self.around.items = items()
            request = Request("GET", "/", timeout=timeout)
            self.start(request)
            stream = self.replies.pop()
            self.assertIsInstance(stream, ReplyStream)
            self.assertIsNone(current_request())
            RunningStream(stream, self.clock, None, lambda: False, lambda *_: None, overhead=0).start()
            self.assertIsNone(current_request())
            waits.callback(None)
            self.assertEqual(self.around.seen[1:], [(request, until)] * 2)


class SlotTests(CurrentTestCase):
    """Requests that do not wait share one slot."""

    keep = False

    def setUp(self) -> None:
        """Have no slot."""
        super().setUp()
        self.ids: list[str] = []

    def serve(self, request_id: str, action: Callable[[], object]) -> RunningAction | None:
        """Serve a request whose action is the function."""
        self.patch(self.around, "see", action)
        return self.start(Request("GET", "/", meta={"request_id": request_id}))

    def see_id(self) -> None:
        """Record the id of the request."""
        self.ids.append(current_request_id())

    def test_id(self) -> None:
        """The id of the request is known while its action runs."""
        self.serve("a", self.see_id)
        self.see_id()
        self.assertEqual(self.ids, ["a", "a", ""])

    def test_shared(self) -> None:
        """They need no new slot."""
        slots: list[object] = []
        for request_id in "abc":
            self.serve(request_id, lambda: slots.append(current_slot()))
        self.assertEqual(len({*map(id, slots)}), 1)

    def test_copied_at_once(self) -> None:
        """A copy of the context that an action makes before it waits keeps the request."""
        copies: list[Context] = []
        waits: Deferred[None] = Deferred()
        self.around.waits = waits
        self.serve("a", lambda: copies.append(copy_context()))
        self.around.waits = None
        self.serve("b", lambda: copies[0].run(self.see_id))
        self.around.see = lambda: None  # type: ignore[method-assign]  # the later step of the first request
        waits.callback(None)
        self.serve("c", lambda: copies[0].run(self.see_id))
        self.assertEqual(self.ids, ["a"] * 4)

    def test_kept(self) -> None:
        """So has a copy that is made by code that keeps the request, such as that of asyncio tasks."""
        copies: list[Context] = []

        def copy() -> None:
            keep_current_request()
            copies.append(copy_context())

        self.serve("a", copy)
        self.see_id()
        self.serve("b", lambda: copies[0].run(self.see_id))
        copies[0].run(self.see_id)
        self.serve("c", self.see_id)
        self.assertEqual(self.ids, ["", "a", "a", "a", "c", "c"])

    def test_not_kept(self) -> None:
        """Another copy has no request any more when the action has ended."""
        copies: list[Context] = []
        self.serve("a", lambda: copies.append(copy_context()))
        copies[0].run(self.see_id)
        self.assertEqual(self.ids, [""])

    def test_copied_before(self) -> None:
        """A context gets another slot after a copy of it has served a request that keeps the shared one."""
        self.serve("a", self.see_id)
        self.around.waits = Deferred()
        copy_context().run(self.serve, "b", self.see_id)
        self.around.waits = None
        slots: list[RequestSlot] = []
        for request_id in "cd":
            self.serve(request_id, lambda: slots.append(current_slot()))
            self.see_id()
        self.assertEqual(self.ids, ["a", "a", "b", "", ""])
        self.assertEqual(len({*map(id, slots)}), 1)

    def test_nested(self) -> None:
        """A request that is served during the step of another, as in tests, leaves that in place."""

        def serve_other() -> None:
            self.patch(self.around, "see", self.see_id)
            self.start(Request("GET", "/", meta={"request_id": "inner"}))
            self.patch(self.around, "see", serve_other)
            self.see_id()

        for wait in (False, True):
            self.ids.clear()
            self.around.waits = Deferred() if wait else None
            self.serve("outer", serve_other)
            self.see_id()
            expected = ["inner", "outer", ""] if wait else ["inner", "inner", "outer"] * 2 + [""]
            self.assertEqual(self.ids, expected)


class GivenUpTests(CurrentTestCase):
    def test_cancelled(self) -> None:
        """Cancelled actions and those that exceed the deadline are logged; others are not."""
        self.waiting().cancel(Cancelled())
        self.waiting()
        self.clock.advance(4)
        self.assertEqual(self.around.aborted_codes, [499, 504])
        self.around.waits = None
        self.start()
        self.start(Request("GET", "/", timeout=0.0))
        self.assertEqual(self.around.aborted_codes, [499, 504])
        self.assertEqual(self.around.failures, [])

    def test_shielded(self) -> None:
        """A shield protects against the caller, not against the deadline, and not the next action."""
        self.around.shield = True
        running = self.waiting()
        running.cancel(Cancelled())
        self.assertEqual(self.replies, [])
        running.cancel(DeadlineExceeded())
        self.assertEqual([each.code for each in self.replies], [504])
        self.around.shield = False
        self.waiting().cancel(Cancelled())
        self.assertEqual([each.code for each in self.replies], [504, 499])


class LaterTests(CurrentTests):
    """The same with a datasource that returns an awaitable."""

    def setUp(self) -> None:
        """Use a datasource that returns an awaitable."""
        super().setUp()
        self.around.later = True
