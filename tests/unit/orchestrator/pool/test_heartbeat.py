"""Tests of the heartbeat."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.pool.heartbeat import Heartbeat


class HeartbeatTestCase(SynchronousTestCase):
    """A test with a heartbeat that is not started.

    :ivar beats: the times of its beats.
    :ivar forgiven: the stalls that it has reported, in seconds.
    """

    def setUp(self) -> None:
        """Make the heartbeat."""
        self.clock = Clock()
        self.beats: list[float] = []
        self.forgiven: list[float] = []
        self.heartbeat = Heartbeat(self.clock, self.beat, self.forgiven.append)

    def beat(self) -> None:
        """Record a beat."""
        self.beats.append(self.clock.seconds())


class BeatTests(HeartbeatTestCase):
    """The interval of beats."""

    def test_interval(self) -> None:
        """Beats come once a second, or four times within a shorter watchdog time, and not at once."""
        for watchdog, interval in (100, 1.0), (4, 1.0), (2, 0.5), (0.5, 0.125):
            self.setUp()
            self.heartbeat.start(watchdog)
            self.assertEqual(self.beats, [])
            self.clock.pump([interval] * 3)
            self.assertEqual(self.beats, [interval, 2 * interval, 3 * interval])

    def test_stop(self) -> None:
        """It stops, also when stopped twice, and leaves no delayed call."""
        self.heartbeat.stop()
        self.heartbeat.start(10)
        self.heartbeat.stop()
        self.heartbeat.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_started_again(self) -> None:
        """A second start changes the interval."""
        self.heartbeat.start(10)
        self.clock.advance(0.875)
        self.heartbeat.start(0.5)
        self.clock.advance(0.125)
        self.assertEqual(self.beats, [1.0])

    def test_stopped_by_a_beat(self) -> None:
        """The function that it calls may stop it."""
        self.heartbeat = Heartbeat(self.clock, lambda: self.heartbeat.stop(), self.forgiven.append)
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class StallTests(HeartbeatTestCase):
    """Stalls of this process are detected."""

    def test_in_time(self) -> None:
        """A beat that is slightly late is no stall."""
        self.heartbeat.start(10)
        self.clock.pump([1.5, 1.0, 1.4, 1.9, 0.3])
        self.assertEqual(self.forgiven, [])

    def test_late(self) -> None:
        """A later beat reports all the time since the last one as a stall, and still beats."""
        self.heartbeat.start(10)
        self.clock.pump([1.0, 60.0, 1.0])
        self.assertEqual((self.beats, self.forgiven), ([1, 61, 62], [60]))

    def test_caught_up(self) -> None:
        """A stall that was checked before the late beat is reported at once, and only once."""
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.clock.rightNow = 61.0  # and nothing has been called yet
        self.assertTrue(self.heartbeat.check_stall())
        self.assertFalse(self.heartbeat.check_stall())
        self.clock.advance(0)
        self.assertEqual((self.beats, self.forgiven), ([1, 61], [60]))

    def test_nothing_to_catch_up(self) -> None:
        """While it is in time, or stopped, there is no stall to report."""
        self.assertFalse(self.heartbeat.check_stall())
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.assertFalse(self.heartbeat.check_stall())
        self.heartbeat.stop()
        self.clock.advance(60)
        self.assertFalse(self.heartbeat.check_stall())

    def test_started_again(self) -> None:
        """The time while it was stopped is no stall."""
        self.heartbeat.start(10)
        self.heartbeat.stop()
        self.clock.advance(60)
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.assertEqual(self.forgiven, [])
