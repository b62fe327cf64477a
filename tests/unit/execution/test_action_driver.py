"""Actions that wait."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.execution.suspended import Service
from unixsvc.domain.coroutine import start
from unixsvc.domain.message import Reply
from unixsvc.domain.stream import ReplyStream
from unixsvc.errors import Cancelled, DeadlineExceeded, NotFound, ServiceError
from unixsvc.execution.action_driver import RunningAction


class WaitingTestCase(SynchronousTestCase):
    """A test with an action that waits."""

    def setUp(self) -> None:
        """Nothing has happened."""
        self.seen: list[object] = []
        self.first: Deferred[Any] = Deferred()

    async def wait(self) -> object:
        """Wait, and record the outcome."""
        try:
            return await self.first
        except BaseException as error:
            self.seen.append(error)
            raise
        finally:
            self.seen.append("cleaned")


class RunningTests(WaitingTestCase):
    """Replies of actions that wait."""

    def test_result(self) -> None:
        """The result of an awaited Deferred is returned; one reply is sent, and the timer is cancelled."""
        service = Service(self.wait)
        service.start()
        self.assertEqual(service.replies, [])
        self.assertEqual(len(service.clock.getDelayedCalls()), 1)
        self.first.callback(7)
        self.assertEqual(service.replies, [Reply(200, b"7")])
        self.assertEqual(service.clock.getDelayedCalls(), [])
        service.clock.advance(100)
        self.assertEqual(service.replies, [Reply(200, b"7")])

    def test_failure(self) -> None:
        """The failure of an awaited Deferred is raised in the action."""
        for error, code in ((NotFound("x"), 404), (ValueError("x"), 500)):
            self.setUp()
            service = Service(self.wait)
            service.start()
            self.first.errback(error)
            self.assertEqual(self.seen, [error, "cleaned"])
            self.assertEqual(service.reply_codes, [code])
            self.assertEqual(service.clock.getDelayedCalls(), [])

    def test_several(self) -> None:
        """An action can await several Deferreds, also fired ones."""
        deferreds: list[Deferred[int]] = [Deferred() for _ in range(5)]

        async def action() -> int:
            return sum([await each for each in deferreds])

        service = Service(action)
        deferreds[1].callback(2)
        service.start()
        for each, value in ((3, 8), (0, 1), (4, 16)):
            deferreds[each].callback(value)
        self.assertEqual(service.replies, [])
        deferreds[2].callback(4)
        self.assertEqual(service.replies, [Reply(200, b"31")])

    def test_many(self) -> None:
        """Many fired Deferreds do not deepen the recursion."""

        async def action() -> int:
            await self.first
            total = 0
            for number in range(20_000):
                total += await succeed(number)
                try:
                    await fail(KeyError())
                except KeyError:
                    total += 1
            return total

        service = Service(action)
        service.start()
        self.first.callback(None)
        self.assertEqual(service.replies, [Reply(200, b"200010000")])

    def test_chained(self) -> None:
        """A Deferred that waits for another one is awaited, and cancelled with it."""
        inner: Deferred[int] = Deferred()
        self.first.addCallback(lambda _: inner)
        service = Service(self.wait)
        running = service.start()
        self.first.callback(None)
        self.assertEqual(service.replies, [])
        running.cancel(Cancelled())
        self.assertEqual(service.reply_codes, [499])
        inner.addErrback(lambda _: None)
        self.assertTrue(inner.called)
        self.assertIsInstance(self.seen[0], Cancelled)


class DeadlineTests(WaitingTestCase):
    """Deadlines and cancellation."""

    def test_deadline(self) -> None:
        """At the deadline, the action and the caller get DeadlineExceeded."""
        service = Service(self.wait)
        service.start(5.0)
        service.clock.advance(4.99)
        self.assertEqual((service.replies, self.seen), ([], []))
        service.clock.advance(0.02)
        self.assertEqual(service.replies, [Reply(504, b"", "Deadline exceeded", None)])
        self.assertIsInstance(self.seen[0], DeadlineExceeded)
        self.assertEqual(self.seen[1:], ["cleaned"])
        self.assertEqual(service.codes, [504])
        self.assertEqual(service.failures, [])

    def test_no_time_left(self) -> None:
        """A time limit below zero is an immediate deadline."""
        service = Service(self.wait)
        service.start(-3.0)
        service.clock.advance(0)
        self.assertEqual(service.reply_codes, [504])

    def test_cancel(self) -> None:
        """Cancellation raises Cancelled in the action, and cancels the timer."""
        service = Service(self.wait)
        running = service.start()
        reason = Cancelled()
        running.cancel(reason)
        self.assertEqual(service.reply_codes, [499])
        self.assertEqual(self.seen, [reason, "cleaned"])
        self.assertEqual(service.clock.getDelayedCalls(), [])

    def test_after_the_end(self) -> None:
        """A finished or cancelled request cannot be cancelled."""
        service = Service(self.wait)
        running = service.start()
        self.first.callback(1)
        running.cancel(Cancelled())
        self.assertEqual(service.reply_codes, [200])

    def test_what_is_awaited_is_cancelled(self) -> None:
        """The awaited Deferred is cancelled."""
        cancelled: list[object] = []
        self.first = Deferred(cancelled.append)
        running = Service(self.wait).start()
        running.cancel(Cancelled())
        self.assertEqual(cancelled, [self.first])

    def test_waits_while_it_cleans_up(self) -> None:
        """The reply does not wait for a ``finally`` of the action that waits."""
        cleaning: Deferred[None] = Deferred()

        async def action() -> None:
            try:
                await self.first
            finally:
                await cleaning
                self.seen.append("cleaned")

        service = Service(action)
        service.start().cancel(Cancelled())
        self.assertEqual((service.reply_codes, self.seen), ([499], []))
        self.assertEqual(service.handle_message.inflight, 1)
        cleaning.callback(None)
        self.assertEqual((service.reply_codes, self.seen), ([499], ["cleaned"]))
        self.assertEqual(service.handle_message.inflight, 0)

    def test_swallowed(self) -> None:
        """The result of an action that ignores its cancellation is dropped."""
        second: Deferred[int] = Deferred()

        async def action() -> int:
            try:
                await self.first
            except ServiceError as error:
                self.seen.append(error)
            self.seen.append(await second)
            return 7

        service = Service(action)
        running = service.start()
        service.clock.advance(5)
        self.assertEqual(service.reply_codes, [504])
        running.cancel(Cancelled())  # it crossed the reply
        second.callback(3)
        self.assertEqual(service.reply_codes, [504])
        self.assertEqual(self.seen[1:], [3])
        self.assertEqual(service.handle_message.inflight, 0)

    def test_later_failures_are_their_own(self) -> None:
        """The reason is raised once; later exceptions are not replaced."""
        second: Deferred[int] = Deferred()

        async def action() -> None:
            for each in (self.first, second):
                try:
                    await each
                except Exception as error:
                    self.seen.append(type(error))

        Service(action).start().cancel(Cancelled())
        second.errback(KeyError())
        self.assertEqual(self.seen, [Cancelled, KeyError])

    def test_answers_at_the_last_moment(self) -> None:
        """A result that the action returns at once on cancellation is the reply."""

        async def action() -> str:
            try:
                await self.first
            except DeadlineExceeded:
                return "partial"
            return "whole"

        service = Service(action)
        service.start()
        service.clock.advance(5)
        self.assertEqual(service.replies, [Reply(200, b"'partial'")])

    def test_what_cannot_be_cancelled(self) -> None:
        """If a cancelled Deferred fires with a result, the action gets it, but its own result is dropped."""
        self.first = Deferred(lambda deferred: deferred.callback("done"))
        service = Service(self.wait)
        service.start().cancel(Cancelled())
        self.assertEqual(self.seen, ["cleaned"])
        self.assertEqual(len(service.replies), 1)

    def test_becomes_a_stream_too_late(self) -> None:
        """A stream that is returned after cancellation is refused, immediately or later."""
        for at_once in (True, False):
            self.setUp()
            first, second = self.first, Deferred[Any]()
            ends: list[BaseException | None] = []

            def ended(
                error: BaseException | None, size: int, ends: list[BaseException | None] = ends
            ) -> Reply:
                ends.append(error)
                return Reply(499)

            async def handle(
                at_once: bool = at_once,
                first: Deferred[Any] = first,
                second: Deferred[Any] = second,
                ended: Callable[[BaseException | None, int], Reply] = ended,
            ) -> ReplyStream:
                with contextlib.suppress(Cancelled):
                    await first
                if not at_once:
                    await second
                return ReplyStream(none(), ended, seconds=None, item_seconds=1.0)

            suspended: Any = start(handle())
            told = list[Reply | ReplyStream]()
            running = RunningAction(suspended, Clock(), 5.0, told.append)
            reason = Cancelled()
            running.cancel(reason)
            second.callback(None)
            self.assertEqual(ends, [reason])
            self.assertEqual([type(each) for each in told], [Reply])


async def none() -> AsyncGenerator[bytes, None]:
    """Return None."""
    return
    yield b""
