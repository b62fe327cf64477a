"""Coroutines whose first step runs immediately."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.coroutine import SuspendedCoroutine, await_result, start


class SuspendedCoroutineTests(SynchronousTestCase):
    """Suspended coroutines."""

    def setUp(self) -> None:
        """Create two Deferreds to await."""
        self.first: Deferred[int] = Deferred()
        self.second: Deferred[int] = Deferred()
        self.caught: list[BaseException] = []

    async def sum(self) -> int:
        """Await both Deferreds, and record exceptions."""
        try:
            return await self.first + await self.second
        except BaseException as error:
            self.caught.append(error)
            raise

    def suspended(self) -> SuspendedCoroutine[int]:
        """The suspended coroutine."""
        suspended = start(self.sum())
        assert isinstance(suspended, SuspendedCoroutine)
        return suspended

    def test_at_once(self) -> None:
        """A coroutine that does not wait returns its result, or raises its exception."""
        self.first.callback(1)
        self.second.callback(2)
        self.assertEqual(start(self.sum()), 3)
        self.first = Deferred()
        self.first.errback(KeyError("x"))
        self.assertRaises(KeyError, start, self.sum())

    def test_waits(self) -> None:
        """A coroutine that waits is suspended with the awaited object; awaiting it continues from there."""
        suspended = self.suspended()
        self.assertIs(suspended.awaited, self.first)
        finished = Deferred.fromCoroutine(await_result(suspended))
        self.first.callback(1)
        self.assertNoResult(finished)
        self.second.callback(2)
        self.assertEqual(self.successResultOf(finished), 3)

    def test_finished(self) -> None:
        """A value that is not a suspended coroutine is its own result."""
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(await_result(5))), 5)

    def test_fails(self) -> None:
        """If an awaited object fails, the exception is raised in the coroutine and may propagate."""
        for number, waiting in enumerate(("first", "second")):
            self.setUp()
            finished = Deferred.fromCoroutine(await_result(self.suspended()))
            if number:
                self.first.callback(1)
            getattr(self, waiting).errback(ZeroDivisionError("y"))
            self.failureResultOf(finished, ZeroDivisionError)
            self.assertEqual([type(each) for each in self.caught], [ZeroDivisionError])

    def test_cancelled(self) -> None:
        """Cancelling the outer Deferred cancels the awaited one."""
        finished = Deferred.fromCoroutine(await_result(self.suspended()))
        finished.cancel()
        self.failureResultOf(finished, CancelledError)
        self.assertEqual([type(each) for each in self.caught], [CancelledError])

    def test_goes_on_after_an_error(self) -> None:
        """A coroutine may catch an exception and await another object."""

        async def stubborn() -> int:
            try:
                await self.first
            except KeyError:
                return await self.second
            return 0

        finished = Deferred.fromCoroutine(await_result(start(stubborn())))
        self.first.errback(Failure(KeyError("z")))
        self.assertNoResult(finished)
        self.second.callback(8)
        self.assertEqual(self.successResultOf(finished), 8)

    def test_closed(self) -> None:
        """Closing the awaiting coroutine closes the suspended one."""
        outer: Any = await_result(self.suspended())
        outer.send(None)
        outer.close()
        self.assertEqual([type(each) for each in self.caught], [GeneratorExit])
