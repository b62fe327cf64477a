"""Something that comes about once."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.orchestrator.shared_result import SharedResult, run_detached


class SharedResultTests(SynchronousTestCase):
    """Many may wait for it."""

    def test_all_are_told(self) -> None:
        """All that wait get the result, and so does who comes later."""
        result: SharedResult[str] = SharedResult()
        waiting = [result.wait(), result.wait()]
        for each in waiting:
            self.assertNoResult(each)
        result.succeed("done")
        self.assertEqual([self.successResultOf(each) for each in (*waiting, result.wait())], ["done"] * 3)

    def test_failure(self) -> None:
        """An exception makes all of them fail, likewise."""
        result: SharedResult[None] = SharedResult()
        before = result.wait()
        result.fail(ConfigError("x", "y"))
        for each in before, result.wait():
            self.failureResultOf(each, ConfigError)

    def test_nobody_waits(self) -> None:
        """A failure that nobody has waited for is no unhandled error."""
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
        """Who does not wait any more disturbs nobody else."""
        result: SharedResult[int] = SharedResult()
        gone, stays = result.wait(), result.wait()
        gone.cancel()
        self.failureResultOf(gone, CancelledError)
        self.assertNoResult(stays)
        result.succeed(1)
        self.assertEqual(self.successResultOf(stays), 1)

    def test_waits_again(self) -> None:
        """Who is told may ask again at once."""
        result: SharedResult[int] = SharedResult()
        found: list[int] = []
        result.wait().addCallback(lambda _: result.wait().addCallback(found.append))
        result.succeed(1)
        self.assertEqual(found, [1])


class RunDetachedTests(SynchronousTestCase):
    """A coroutine that runs to its end."""

    def setUp(self) -> None:
        """One that waits for something."""
        self.awaited: Deferred[int] = Deferred()
        self.ended: list[int] = []

    async def work(self) -> int:
        """Wait, and note that it was not in vain."""
        result = await self.awaited
        self.ended.append(result)
        return result

    def test_result(self) -> None:
        """Its result is that of the coroutine."""
        done = run_detached(self.work())
        self.assertNoResult(done)
        self.awaited.callback(3)
        self.assertEqual(self.successResultOf(done), 3)

    def test_failure(self) -> None:
        """So is its failure."""
        done = run_detached(self.work())
        self.awaited.errback(ConfigError("x", "y"))
        self.failureResultOf(done, ConfigError)

    def test_cancelled(self) -> None:
        """To cancel it does not stop the work."""
        done = run_detached(self.work())
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.awaited.callback(3)
        self.assertEqual(self.ended, [3])
