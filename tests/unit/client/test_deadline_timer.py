"""One timer for the deadlines of many calls."""

from __future__ import annotations

import math

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.deadline_timer import SLACK, DeadlineTimer


class DeadlineTimerTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a timer for a list of deadlines."""
        self.clock = Clock()
        self.deadlines: list[float] = []
        self.expired: list[float] = []
        self.timer = DeadlineTimer(self.clock.seconds, self.clock.callLater, self.expire)

    def expire(self, now: float) -> float:
        """Record the deadlines that have passed."""
        self.expired += [each for each in self.deadlines if each <= now]
        self.deadlines = [each for each in self.deadlines if each > now]
        return min(self.deadlines, default=math.inf)

    def add(self, *deadlines: float) -> None:
        """Add deadlines."""
        for each in deadlines:
            self.deadlines.append(each)
            if each < self.timer.at:
                self.timer.set(each)

    def test_order(self) -> None:
        """It fires at each deadline, in any order, with one delayed call at a time."""
        self.add(5.0, 2.0, 7.0, 2.0, 1.0)
        found = []
        for _ in range(8):
            found.append((list(self.expired), len(self.clock.getDelayedCalls())))
            self.expired.clear()
            self.clock.advance(1.0)
        expired = [[], [1.0], [2.0, 2.0], [], [], [5.0], [], [7.0]]
        self.assertEqual(found, [(each, int(number < 7)) for number, each in enumerate(expired)])

    def test_stop(self) -> None:
        """A stopped timer has no delayed call; it can be set again."""
        self.add(5.0)
        self.timer.stop()
        self.assertEqual((self.clock.getDelayedCalls(), self.timer.at), ([], math.inf))
        self.add(3.0)
        self.clock.advance(3.0)
        self.assertEqual(self.expired, [3.0])

    def test_far(self) -> None:
        """A deadline beyond the range of an event loop is met; infinity needs no delayed call."""
        self.add(math.inf)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.add(1e6 + 5.0)
        self.assertEqual(self.clock.getDelayedCalls()[0].getTime(), 1e6)
        self.clock.advance(1e6)
        self.assertEqual(self.expired, [])
        self.clock.advance(5.0)
        self.assertEqual((self.expired, self.clock.getDelayedCalls()), ([1e6 + 5.0], []))

    def test_early_loop(self) -> None:
        """A loop that fires up to 1.5 milliseconds early is not asked to fire again."""
        timer = DeadlineTimer(lambda: self.clock.seconds() - SLACK, self.clock.callLater, self.expire)
        self.deadlines = [2.0]
        timer.set(2.0 - SLACK)
        self.clock.advance(2.0)
        self.assertEqual((self.expired, self.clock.getDelayedCalls()), ([2.0], []))

    def test_set_while_firing(self) -> None:
        """A deadline that is added while it fires is met."""
        timer = self.timer

        def expire(now: float) -> float:
            if not self.expired:
                timer.set(1.5)
            self.expired.append(now)
            return 4.0 if now < 4 else math.inf

        timer = DeadlineTimer(self.clock.seconds, self.clock.callLater, expire)
        timer.set(1.0)
        self.clock.pump([1.0, 0.5, 2.5, 5.0])
        self.assertEqual(self.expired, [1.0 + SLACK, 1.5 + SLACK, 4.0 + SLACK])
