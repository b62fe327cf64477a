"""Who asks for signs of life."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.pool.heartbeat import Heartbeat


class HeartbeatTestCase(SynchronousTestCase):
    """Has one that does not beat yet.

    :ivar beats: when it did.
    :ivar forgiven: the seconds for which nobody is blamed.
    """

    def setUp(self) -> None:
        """Make it."""
        self.clock = Clock()
        self.beats: list[float] = []
        self.forgiven: list[float] = []
        self.heartbeat = Heartbeat(self.clock, self.beat, self.forgiven.append)

    def beat(self) -> None:
        """It beats."""
        self.beats.append(self.clock.seconds())


class BeatTests(HeartbeatTestCase):
    """It beats."""

    def test_interval(self) -> None:
        """Once a second, or four times within a shorter watchdog's time; not at once."""
        for watchdog, interval in (100, 1.0), (4, 1.0), (2, 0.5), (0.5, 0.125):
            self.setUp()
            self.heartbeat.start(watchdog)
            self.assertEqual(self.beats, [])
            self.clock.pump([interval] * 3)
            self.assertEqual(self.beats, [interval, 2 * interval, 3 * interval])

    def test_stop(self) -> None:
        """It can be stopped, twice if need be, and leaves nothing behind."""
        self.heartbeat.stop()
        self.heartbeat.start(10)
        self.heartbeat.stop()
        self.heartbeat.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_started_again(self) -> None:
        """Another start is another interval."""
        self.heartbeat.start(10)
        self.clock.advance(0.875)
        self.heartbeat.start(0.5)
        self.clock.advance(0.125)
        self.assertEqual(self.beats, [1.0])

    def test_stopped_by_a_beat(self) -> None:
        """What it calls may stop it."""
        self.heartbeat = Heartbeat(self.clock, lambda: self.heartbeat.stop(), self.forgiven.append)
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class LateTests(HeartbeatTestCase):
    """It knows when it was itself that stood still."""

    def test_in_time(self) -> None:
        """A beat that is a little late, as any is, forgives nothing."""
        self.heartbeat.start(10)
        self.clock.pump([1.5, 1.0, 1.4, 1.9, 0.3])
        self.assertEqual(self.forgiven, [])

    def test_late(self) -> None:
        """One that is late by more forgives all the time since the last one, and beats."""
        self.heartbeat.start(10)
        self.clock.pump([1.0, 60.0, 1.0])
        self.assertEqual((self.beats, self.forgiven), ([1, 61, 62], [60]))

    def test_caught_up(self) -> None:
        """Who cannot wait for the beat has that time forgiven at once, and not once more by the beat."""
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.clock.rightNow = 61.0  # and nothing has been called yet
        self.assertTrue(self.heartbeat.check_stall())
        self.assertFalse(self.heartbeat.check_stall())
        self.clock.advance(0)
        self.assertEqual((self.beats, self.forgiven), ([1, 61], [60]))

    def test_nothing_to_catch_up(self) -> None:
        """While it is in time, or does not beat, there is nothing to forgive."""
        self.assertFalse(self.heartbeat.check_stall())
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.assertFalse(self.heartbeat.check_stall())
        self.heartbeat.stop()
        self.clock.advance(60)
        self.assertFalse(self.heartbeat.check_stall())

    def test_started_again(self) -> None:
        """The time in which it did not beat was not late."""
        self.heartbeat.start(10)
        self.heartbeat.stop()
        self.clock.advance(60)
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.assertEqual(self.forgiven, [])
