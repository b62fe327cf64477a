"""One timer for many deadlines."""

from __future__ import annotations

import math

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.deadline_timer import SLACK, DeadlineTimer


class AlarmTests(SynchronousTestCase):
    """When it rings."""

    def setUp(self) -> None:
        """Have one for some deadlines."""
        self.clock = Clock()
        self.deadlines: list[float] = []
        self.rung: list[float] = []
        self.alarm = DeadlineTimer(self.clock.seconds, self.clock.callLater, self.ring)

    def ring(self, now: float) -> float:
        """What is over is over."""
        self.rung += [each for each in self.deadlines if each <= now]
        self.deadlines = [each for each in self.deadlines if each > now]
        return min(self.deadlines, default=math.inf)

    def by(self, *deadlines: float) -> None:
        """There are further ones."""
        for each in deadlines:
            self.deadlines.append(each)
            if each < self.alarm.at:
                self.alarm.set(each)

    def test_each_in_its_time(self) -> None:
        """Each deadline is met, in whatever order they come; there is never more than one timer."""
        self.by(5.0, 2.0, 7.0, 2.0, 1.0)
        found = []
        for _ in range(8):
            found.append((list(self.rung), len(self.clock.getDelayedCalls())))
            self.rung.clear()
            self.clock.advance(1.0)
        rung = [[], [1.0], [2.0, 2.0], [], [], [5.0], [], [7.0]]
        self.assertEqual(found, [(each, int(number < 7)) for number, each in enumerate(rung)])

    def test_rest(self) -> None:
        """Where there is nothing to ring for, there is no timer; it can be set again."""
        self.by(5.0)
        self.alarm.stop()
        self.assertEqual((self.clock.getDelayedCalls(), self.alarm.at), ([], math.inf))
        self.by(3.0)
        self.clock.advance(3.0)
        self.assertEqual(self.rung, [3.0])

    def test_far(self) -> None:
        """A deadline that is farther than a loop can count is met all the same; infinity needs no timer."""
        self.by(math.inf)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.by(1e6 + 5.0)
        self.assertEqual(self.clock.getDelayedCalls()[0].getTime(), 1e6)
        self.clock.advance(1e6)
        self.assertEqual(self.rung, [])
        self.clock.advance(5.0)
        self.assertEqual((self.rung, self.clock.getDelayedCalls()), ([1e6 + 5.0], []))

    def test_early_loop(self) -> None:
        """A loop that rings up to a millisecond and a half early is not asked again for the rest."""
        alarm = DeadlineTimer(lambda: self.clock.seconds() - SLACK, self.clock.callLater, self.ring)
        self.deadlines = [2.0]
        alarm.set(2.0 - SLACK)
        self.clock.advance(2.0)
        self.assertEqual((self.rung, self.clock.getDelayedCalls()), ([2.0], []))

    def test_set_while_it_rings(self) -> None:
        """A deadline that comes up while others are ended is met, too."""
        alarm = self.alarm

        def ring(now: float) -> float:
            if not self.rung:
                alarm.set(1.5)
            self.rung.append(now)
            return 4.0 if now < 4 else math.inf

        alarm = DeadlineTimer(self.clock.seconds, self.clock.callLater, ring)
        alarm.set(1.0)
        self.clock.pump([1.0, 0.5, 2.5, 5.0])
        self.assertEqual(self.rung, [1.0 + SLACK, 1.5 + SLACK, 4.0 + SLACK])
