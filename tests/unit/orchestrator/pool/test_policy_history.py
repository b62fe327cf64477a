"""Tests of the back-off and the start limit."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.pool.model import SlotHistory, SupervisionPolicy, WorkerPhase, WorkerView
from unixsvc.orchestrator.pool.policy import after_exit, after_refusal, died_early

POLICY = SupervisionPolicy(boot_timeout=10, drain_timeout=30, kill_timeout=5)
NEW = SlotHistory()


def worker(phase: WorkerPhase = WorkerPhase.STARTING, **more: Any) -> WorkerView:
    """A worker before its end."""
    return WorkerView(number=1, slot=1, phase=phase, since=0, policy=POLICY, **more)


def deaths(*times: float, jitter: float = 0.5) -> SlotHistory:
    """The history of a slot after a number of early deaths, without jitter."""
    history = NEW
    for each in times:
        history = after_exit(history, worker(), each, jitter)
    return history


class DiedEarlyTests(SynchronousTestCase):
    """Early deaths."""

    def test_never_ready(self) -> None:
        """A worker that was never ready has died early, at any age."""
        self.assertTrue(died_early(worker(), 1e9))

    def test_ready(self) -> None:
        """A worker that was ready for less than the stable time has died early."""
        self.assertTrue(died_early(worker(WorkerPhase.READY, ready_at=50.0), 50.9))
        self.assertFalse(died_early(worker(WorkerPhase.READY, ready_at=50.0), 51))

    def test_retiring(self) -> None:
        """A worker that was asked to exit has not died early, in any phase."""
        for phase in WorkerPhase.DRAINING, WorkerPhase.TERMINATING, WorkerPhase.KILLED:
            self.assertFalse(died_early(worker(phase, retiring=True), 1))


class AfterRefusalTests(SynchronousTestCase):
    """The kernel lacks the resources for a process."""

    def test_pause(self) -> None:
        """The slot stays empty for a second; no failure is counted, however often it happens."""
        history = NEW
        for now in range(100, 200):
            history = after_refusal(history, now)
            self.assertEqual(history, SlotHistory(next_start=now + 1))

    def test_back_off(self) -> None:
        """A longer back-off stays."""
        history = deaths(100, 100, 100, 100)
        self.assertEqual(after_refusal(history, 100.5), history)


class AfterExitTests(SynchronousTestCase):
    """The back-off of a slot, and its start limit."""

    def test_first_at_once(self) -> None:
        """After the first death there is no back-off."""
        self.assertEqual(deaths(100), SlotHistory(1, (100,), 100))

    def test_back_off(self) -> None:
        """Each further death in a row doubles the back-off, up to its maximum."""
        for failures, delay in [(2, 0.5), (3, 1), (4, 2), (7, 16), (8, 30), (9, 30), (5000, 30)]:
            history = after_exit(SlotHistory(failures - 1), worker(), 100, 0.5)
            self.assertEqual((history.failures, history.next_start), (failures, 100 + delay))

    @given(st.floats(0, 1), st.integers(2, 10))
    def test_jitter(self, jitter: float, failures: int) -> None:
        """The back-off varies by a quarter in both directions."""
        delay = min(0.5 * 2 ** (failures - 2), 30)
        paused = after_exit(SlotHistory(failures - 1), worker(), 0, jitter).next_start
        self.assertAlmostEqual(paused, delay * (0.75 + jitter / 2))
        self.assertTrue(delay * 0.75 <= paused <= delay * 1.25)

    def test_limit(self) -> None:
        """The start limit is hit by that number of early deaths within the interval; the delay is maximal."""
        self.assertFalse(deaths(1, 2, 3, 4).start_limit_hit)
        self.assertEqual(deaths(1, 2, 3, 4, 10.9), SlotHistory(5, (1, 2, 3, 4, 10.9), 40.9, True))

    def test_limit_in_time(self) -> None:
        """The same number over a longer time does not hit it; only the last ones count."""
        self.assertFalse(deaths(1, 2, 3, 4, 11).start_limit_hit)
        self.assertTrue(deaths(1, 5, 6, 7, 11, 12).start_limit_hit)
        self.assertEqual(deaths(*range(0, 600, 3)).recent, (585, 588, 591, 594, 597))

    def test_limit_of_one(self) -> None:
        """A start limit of one is hit by the first early death."""
        policy = SupervisionPolicy(boot_timeout=1, drain_timeout=1, kill_timeout=1, start_limit=1)
        strict = WorkerView(number=1, slot=1, phase=WorkerPhase.STARTING, since=0, policy=policy)
        self.assertTrue(after_exit(NEW, strict, 1, 0.5).start_limit_hit)

    def test_tried_again(self) -> None:
        """After the longest back-off, one more early death does not hit the limit, but waits as long."""
        after = after_exit(deaths(1, 2, 3, 4, 5), worker(), 40, 0.5)
        self.assertEqual((after.failures, after.start_limit_hit, after.next_start), (6, False, 48))

    def test_stable(self) -> None:
        """The death of a stable worker resets the history."""
        stable = worker(WorkerPhase.READY, ready_at=50.0)
        self.assertEqual(after_exit(deaths(1, 2, 3, 4, 5), stable, 51, 0.5), NEW)

    def test_asked_to_end(self) -> None:
        """An exit on request changes nothing in the history."""
        before = deaths(1, 2, 3)
        ended = worker(WorkerPhase.DRAINING, ready_at=0.0, retiring=True)
        self.assertIs(after_exit(before, ended, 99, 0.5), before)
