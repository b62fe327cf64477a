"""A bounded history that others can follow."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.events.ring import Follower, Ring


def following(follower: Follower[Any]) -> Deferred[tuple[int, list[Any]]]:
    """Wait for the next items."""
    return Deferred.fromCoroutine(follower.next())


class RingTests(SynchronousTestCase):
    """The items that are kept."""

    def test_number(self) -> None:
        """The oldest items are dropped, and counted."""
        ring: Ring[int] = Ring(3)
        for each in range(5):
            ring.add(each)
        self.assertEqual((ring.items(), len(ring), ring.dropped, ring.end), ([2, 3, 4], 3, 2, 5))
        self.assertEqual((ring.items(0), ring.items(3), ring.items(9)), ([2, 3, 4], [3, 4], []))


class FollowerTests(SynchronousTestCase):
    """Readers at their own speed."""

    def setUp(self) -> None:
        """A ring with two items."""
        self.ring: Ring[int] = Ring(3)
        self.ring.add(0)
        self.ring.add(1)

    def test_from_now(self) -> None:
        """A follower gets what is added after it began, as soon as it is added."""
        follower = self.ring.follow()
        waiting = following(follower)
        self.assertNoResult(waiting)
        self.ring.add(2)
        self.assertEqual(self.successResultOf(waiting), (0, [2]))
        self.assertEqual(follower.take(), (0, []))

    def test_slow(self) -> None:
        """A slow follower misses items, and gets their number once; others do not."""
        slow, fast = self.ring.follow(), self.ring.follow()
        for each in range(2, 7):
            self.ring.add(each)
            self.assertEqual(fast.take(), (0, [each]))
        self.assertEqual(slow.take(), (2, [4, 5, 6]))
        self.ring.add(7)
        self.assertEqual(slow.take(), (0, [7]))

    def test_closed(self) -> None:
        """At the end, a follower gets the rest, then nothing."""
        reading, waiting = self.ring.follow(), following(self.ring.follow())
        self.ring.add(2)
        self.assertEqual(self.successResultOf(waiting), (0, [2]))
        self.ring.close()
        self.assertEqual(self.successResultOf(following(reading)), (0, [2]))
        self.assertEqual(self.successResultOf(following(reading)), (0, []))

    def test_cancelled(self) -> None:
        """A follower that stops to wait is forgotten."""
        waiting = following(self.ring.follow())
        waiting.cancel()
        self.failureResultOf(waiting)
        self.assertEqual(self.ring._waiting, [])
        self.ring.add(2)

    def test_cancelled_by_another(self) -> None:
        """A follower may end another one when an item is added."""
        first, second = self.ring.when_added(2), self.ring.when_added(2)
        first.addCallback(lambda _: second.cancel())
        self.ring.add(2)
        self.failureResultOf(second)
