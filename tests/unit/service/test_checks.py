"""Checks of dependencies, and the state of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import DeadlineExceeded
from unixsvc.execution.shared_result import SharedResult
from unixsvc.service.checks import Check, Checks

_MIDNIGHT = 1_000_000.0


class ChecksTests(SynchronousTestCase):
    """Two checks, with a limit of 2 s, which are interrupted after 5 s."""

    def setUp(self) -> None:
        """Make them."""
        self.clock = Clock()
        self.failures: list[tuple[str, BaseException]] = []
        self.waiting: list[Deferred[None]] = []
        self.checks = Checks(
            self.clock, 2.0, 5.0, lambda *failure: self.failures.append(failure), self.wall_clock
        )

    def wall_clock(self) -> float:
        """The Unix time."""
        return _MIDNIGHT + self.clock.seconds()

    def run_checks(self, *checks: Callable[[], Awaitable[object]]) -> SharedResult[bool]:
        """Run checks with the names a, b, …."""
        return self.checks.run(lambda: [Check(chr(97 + at), each) for at, each in enumerate(checks)])

    async def succeed(self) -> None:
        """Succeed at once."""

    async def raise_error(self) -> None:
        """Fail at once."""
        raise OSError("disk full")

    async def wait(self) -> None:
        """Succeed later."""
        self.waiting.append(Deferred())
        await self.waiting[-1]

    def states(self) -> list[tuple[str, str, float, float]]:
        """Name, state, seconds, and when it came into this state."""
        return [(each.name, each.state, each.seconds, each.since) for each in self.checks.states()]

    def test_none(self) -> None:
        """Without checks nothing has failed."""
        self.assertTrue(self.successResultOf(self.run_checks().wait()))
        self.assertEqual(self.states(), [])

    def test_states(self) -> None:
        """Each has a state of its own, and a check that fails does not hide another."""
        self.assertFalse(self.successResultOf(self.run_checks(self.raise_error, self.succeed).wait()))
        self.assertEqual(self.states(), [("a", "failed", 0, _MIDNIGHT), ("b", "ok", 0, _MIDNIGHT)])
        [(name, error)] = self.failures
        self.assertEqual((name, str(error)), ("a", "disk full"))

    def test_at_the_same_time(self) -> None:
        """A check does not wait for another, and the result comes with the last."""
        done = self.run_checks(self.wait, self.succeed, self.wait).wait()
        self.assertEqual([state for _, state, _, _ in self.states()], ["unknown", "ok", "unknown"])
        self.clock.advance(1.5)
        self.waiting[1].callback(None)
        self.assertNoResult(done)
        self.waiting[0].callback(None)
        self.assertTrue(self.successResultOf(done))
        self.assertEqual([seconds for _, _, seconds, _ in self.states()], [1.5, 0, 1.5])

    def test_since(self) -> None:
        """The time is that of the change of the state, not of the last check."""
        for _ in range(3):
            self.run_checks(self.raise_error)
            self.clock.advance(10)
        self.assertEqual(self.states(), [("a", "failed", 0, _MIDNIGHT)])
        self.run_checks(self.succeed)
        self.assertEqual(self.states(), [("a", "ok", 0, _MIDNIGHT + 30)])

    def test_once_a_second(self) -> None:
        """Within a second the result is the same; a check that runs is not started again, however late."""
        self.run_checks(self.wait)
        self.clock.advance(4)
        self.run_checks(self.wait)
        self.assertEqual(len(self.waiting), 1)
        self.waiting[0].callback(None)
        self.run_checks(self.wait)
        self.assertEqual(len(self.waiting), 2)
        self.waiting[1].callback(None)
        self.clock.advance(0.75)
        self.run_checks(self.wait)
        self.assertEqual(len(self.waiting), 2)

    def test_late(self) -> None:
        """A check that exceeds the limit is late while it runs, and when it has ended."""
        done = self.run_checks(self.wait)
        self.assertEqual(self.checks.time_left, 2)
        self.clock.advance(2)
        self.assertEqual(self.states(), [("a", "late", 2, _MIDNIGHT + 2)])
        self.clock.advance(1)
        self.waiting[0].callback(None)
        self.assertTrue(self.successResultOf(done.wait()))
        self.assertEqual(self.states(), [("a", "late", 3, _MIDNIGHT + 2)])

    def test_interrupted(self) -> None:
        """A check is cancelled after the timeout, and has failed then."""
        done = self.run_checks(self.wait)
        self.clock.advance(5)
        self.assertFalse(self.successResultOf(done.wait()))
        self.assertTrue(self.waiting[0].called)
        self.assertEqual([type(error) for _, error in self.failures], [DeadlineExceeded])

    def test_stubborn(self) -> None:
        """A check that ignores the interruption is not started a second time."""

        async def ignore() -> None:
            try:
                await self.wait()
            except DeadlineExceeded:
                await self.wait()

        self.run_checks(ignore)
        self.clock.advance(5)
        self.clock.advance(60)
        self.run_checks(ignore)
        self.assertEqual(len(self.waiting), 2)
        self.assertEqual(self.states()[0][1], "late")
