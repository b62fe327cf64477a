"""The last events of the log in memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.log_ring import LogRing


class RingTests(SynchronousTestCase):
    """What is kept, and what a reader gets."""

    def test_read(self) -> None:
        """A reader gets what was added since it has read, in order, and then nothing."""
        ring = LogRing(1_000)
        self.assertEqual(ring.read(0).lines, b"")
        ring.add(b"one\n")
        ring.add(b"two\nthree\n", 2)
        part = ring.read(0)
        self.assertEqual((part.lines, part.following, part.missed), (b"one\ntwo\nthree\n", 3, 0))
        ring.add(b"four\n")
        self.assertEqual(ring.read(part.following).lines, b"four\n")
        self.assertEqual(ring.read(4).lines, b"")

    def test_bounded(self) -> None:
        """It never has more bytes than it may, and keeps the last events."""
        ring = LogRing(100)
        for number in range(1_000):
            ring.add(b"%09d\n" % number)
        self.assertEqual(ring.read(ring.first).lines, b"".join(b"%09d\n" % n for n in range(990, 1_000)))
        ring.add(b"x" * 101)
        self.assertEqual(ring.read(ring.first).lines, b"")
        self.assertEqual(ring.first, ring.following)

    def test_many_at_once(self) -> None:
        """Of events that come at once and are more than it may have, the last ones are kept."""
        ring = LogRing(100)
        ring.add(b"before\n")
        ring.add(b"".join(b"%09d\n" % number for number in range(1_000)), 1_000)
        self.assertEqual(ring.read(ring.first).lines, b"".join(b"%09d\n" % n for n in range(990, 1_000)))
        self.assertEqual((ring.first, ring.following), (991, 1_001))

    def test_missed(self) -> None:
        """A reader that is too slow gets the number of events that it has missed, and then the next ones."""
        ring = LogRing(30)
        ring.add(b"111111111\n")
        number = ring.read(0).following
        for each in range(5):
            ring.add(b"%04d\n%04d\n" % (each, each), 2)
        part = ring.read(number)
        self.assertEqual((part.missed, part.lines[:5], part.following), (4, b"0002\n", 11))

    def test_parts(self) -> None:
        """A part has a limited size, unless more was added at once; the next part follows it."""
        ring = LogRing(1_000)
        for number in range(10):
            ring.add(b"%09d\n" % number)
        found, number = b"", 0
        for _ in range(4):
            part = ring.read(number, most=35)
            self.assertLessEqual(len(part.lines), 35)
            found, number = found + part.lines, part.following
        self.assertEqual(found, b"".join(b"%09d\n" % n for n in range(10)))
        ring.add(b"y" * 99)
        self.assertEqual(ring.read(number, most=35).lines, b"y" * 99)
