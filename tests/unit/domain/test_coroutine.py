"""Coroutines whose first step is run at once."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.domain.coroutine import SuspendedCoroutine, await_result, start


class BegunTests(SynchronousTestCase):
    """What is begun."""

    def setUp(self) -> None:
        """Something to wait for, twice."""
        self.first: Deferred[int] = Deferred()
        self.second: Deferred[int] = Deferred()
        self.caught: list[BaseException] = []

    async def sum(self) -> int:
        """Wait for both; what is raised meanwhile is noted."""
        try:
            return await self.first + await self.second
        except BaseException as error:
            self.caught.append(error)
            raise

    def suspended(self) -> SuspendedCoroutine[int]:
        """That, begun."""
        suspended = start(self.sum())
        assert isinstance(suspended, SuspendedCoroutine)
        return suspended

    def test_at_once(self) -> None:
        """Of what does not wait there is the result, or what it raises."""
        self.first.callback(1)
        self.second.callback(2)
        self.assertEqual(start(self.sum()), 3)
        self.first = Deferred()
        self.first.errback(KeyError("x"))
        self.assertRaises(KeyError, start, self.sum())

    def test_waits(self) -> None:
        """What waits is begun: it says for what, and nothing is waited for twice."""
        suspended = self.suspended()
        self.assertIs(suspended.awaited, self.first)
        finished = Deferred.fromCoroutine(await_result(suspended))
        self.first.callback(1)
        self.assertNoResult(finished)
        self.second.callback(2)
        self.assertEqual(self.successResultOf(finished), 3)

    def test_finished(self) -> None:
        """A result is one already."""
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(await_result(5))), 5)

    def test_fails(self) -> None:
        """What it waits for may fail, at any step: it is raised inside, and comes out."""
        for number, waiting in enumerate(("first", "second")):
            self.setUp()
            finished = Deferred.fromCoroutine(await_result(self.suspended()))
            if number:
                self.first.callback(1)
            getattr(self, waiting).errback(ZeroDivisionError("y"))
            self.failureResultOf(finished, ZeroDivisionError)
            self.assertEqual([type(each) for each in self.caught], [ZeroDivisionError])

    def test_cancelled(self) -> None:
        """Who cancels the whole cancels what it waits for."""
        finished = Deferred.fromCoroutine(await_result(self.suspended()))
        finished.cancel()
        self.failureResultOf(finished, CancelledError)
        self.assertEqual([type(each) for each in self.caught], [CancelledError])

    def test_goes_on_after_an_error(self) -> None:
        """A coroutine may catch what is raised in it, and wait for something else."""

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
        """Where the one that waits for it is closed, it is closed as well."""
        outer: Any = await_result(self.suspended())
        outer.send(None)
        outer.close()
        self.assertEqual([type(each) for each in self.caught], [GeneratorExit])
