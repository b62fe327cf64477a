"""Tests of shared results."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.execution.shared_result import SharedResult, run_detached


class SharedResultTests(SynchronousTestCase):
    """Several callers wait for one result."""

    def test_all_waiters(self) -> None:
        """All waiters get the result, and later ones as well."""
        result: SharedResult[str] = SharedResult()
        waiting = [result.wait(), result.wait()]
        for each in waiting:
            self.assertNoResult(each)
        result.succeed("done")
        self.assertEqual([self.successResultOf(each) for each in (*waiting, result.wait())], ["done"] * 3)

    def test_failure(self) -> None:
        """All waiters get the exception."""
        result: SharedResult[None] = SharedResult()
        before = result.wait()
        result.fail(ConfigError("x", "y"))
        for each in before, result.wait():
            self.failureResultOf(each, ConfigError)

    def test_no_waiter(self) -> None:
        """An exception without waiters is no unhandled error."""
        result: SharedResult[None] = SharedResult()
        result.fail(ConfigError("x", "y"))
        del result
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_once(self) -> None:
        """Only the first result counts."""
        result: SharedResult[int] = SharedResult()
        self.assertFalse(result.done)
        result.succeed(1)
        result.fail(ConfigError("x", "y"))
        self.assertTrue(result.done)
        self.assertEqual(self.successResultOf(result.wait()), 1)

    def test_cancelled(self) -> None:
        """A waiter that cancels does not affect others."""
        result: SharedResult[int] = SharedResult()
        gone, stays = result.wait(), result.wait()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertNoResult(stays)
        result.succeed(1)
        self.assertEqual(self.successResultOf(stays), 1)

    def test_waits_again(self) -> None:
        """A waiter may wait again in its callback."""
        result: SharedResult[int] = SharedResult()
        found: list[int] = []
        result.wait().addCallback(lambda _: result.wait().addCallback(found.append))
        result.succeed(1)
        self.assertEqual(found, [1])


class RunDetachedTests(SynchronousTestCase):
    """Coroutines that run to their end."""

    def setUp(self) -> None:
        """Prepare a coroutine that waits for a Deferred."""
        self.awaited: Deferred[int] = Deferred()
        self.ended: list[int] = []

    async def work(self) -> int:
        """Wait, and record the result."""
        result = await self.awaited
        self.ended.append(result)
        return result

    def test_result(self) -> None:
        """The result is that of the coroutine."""
        done = run_detached(self.work())
        self.assertNoResult(done)
        self.awaited.callback(3)
        self.assertEqual(self.successResultOf(done), 3)

    def test_failure(self) -> None:
        """The error is that of the coroutine."""
        done = run_detached(self.work())
        self.awaited.errback(ConfigError("x", "y"))
        self.failureResultOf(done, ConfigError)

    def test_cancelled(self) -> None:
        """Cancelling the Deferred does not cancel the coroutine."""
        done = run_detached(self.work())
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.awaited.callback(3)
        self.assertEqual(self.ended, [3])
