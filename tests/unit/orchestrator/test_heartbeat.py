"""Who asks for signs of life."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.heartbeat import Heartbeat


class HeartbeatTests(SynchronousTestCase):
    """It beats, and knows when it was late."""

    def setUp(self) -> None:
        """One that does not beat yet."""
        self.clock = Clock()
        self.beats: list[tuple[float, float]] = []
        self.heartbeat = Heartbeat(self.clock, self.note)

    def note(self, late: float) -> None:
        """It beats."""
        self.beats.append((self.clock.seconds(), late))

    def test_interval(self) -> None:
        """Once a second, or four times within a shorter watchdog's time; not at once."""
        for watchdog, interval in (100, 1.0), (4, 1.0), (2, 0.5), (0.4, 0.1):
            self.setUp()
            self.heartbeat.start(watchdog)
            self.assertEqual(self.beats, [])
            self.clock.pump([interval] * 3)
            self.assertEqual([round(when / interval) for when, _ in self.beats], [1, 2, 3])

    def test_in_time(self) -> None:
        """A beat that is a little late, as any is, is none that nobody could be heard before."""
        self.heartbeat.start(10)
        self.clock.pump([1.5, 1.0, 1.4, 1.9, 0.3])
        self.assertEqual({late for _, late in self.beats}, {0.0})

    def test_late(self) -> None:
        """One that is late by more than an interval says by how much; the next one is in time again."""
        self.heartbeat.start(10)
        self.clock.pump([1.0, 60.0, 1.0])
        self.assertEqual(self.beats, [(1, 0), (61, 59), (62, 0)])

    def test_stop(self) -> None:
        """It can be stopped, twice if need be, and leaves nothing behind."""
        self.heartbeat.stop()
        self.heartbeat.start(10)
        self.heartbeat.stop()
        self.heartbeat.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_started_again(self) -> None:
        """Another start is another interval, and the time in between was not late."""
        self.heartbeat.start(10)
        self.clock.advance(0.9)
        self.heartbeat.start(0.4)
        self.clock.advance(0.1)
        self.assertEqual([late for _, late in self.beats], [0.0])
        self.heartbeat.stop()
        self.clock.advance(60)
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.assertEqual(self.beats[-1], (62, 0))

    def test_stopped_by_a_beat(self) -> None:
        """What it calls may stop it."""
        self.heartbeat = Heartbeat(self.clock, lambda late: self.heartbeat.stop())
        self.heartbeat.start(10)
        self.clock.advance(1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
