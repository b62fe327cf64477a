"""The page on which workers count their connections."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.connection_counts import ConnectionCounts, WorkerSlot


class TallyTests(SynchronousTestCase):
    """Each worker sees what the others have."""

    def setUp(self) -> None:
        """A page with two places."""
        self.tally = ConnectionCounts()
        self.addCleanup(self.tally.close)
        self.first, self.second = self.join(), self.join()

    def join(self) -> WorkerSlot:
        """One more worker, that accepts."""
        place = WorkerSlot(self.tally.fileno(), self.tally.take())
        place.join()
        return place

    def test_counts(self) -> None:
        """The fewest that anybody has, oneself among them."""
        came(self.first, 3)
        came(self.second, 2)
        self.assertEqual((self.first.least(), self.second.least(), self.first.mine), (2, 2, 3))
        self.second.went()
        self.assertEqual(self.first.least(), 1)

    def test_one_that_is_going(self) -> None:
        """One that accepts nobody any more is no sibling, even if its place is the only one."""
        self.tally.free(2)
        came(self.first, 3)
        self.assertEqual(self.first.least(), 3)
        self.first.leave()
        self.assertGreater(self.first.least(), 1_000_000)

    def test_neediest(self) -> None:
        """Who has the fewest, and how many it has ever had, by which it is seen whether it takes any."""
        came(self.first, 3)
        came(self.second, 2)
        self.assertEqual(self.first.neediest(), (2, 2))
        self.second.went()
        self.second.came()
        self.assertEqual(self.first.neediest(), (2, 3))
        came(self.second, 2)
        self.assertEqual(self.second.neediest(), (1, 3))

    def test_not_accepting(self) -> None:
        """Who does not accept yet, or any more, counts for nothing, but goes on counting."""
        came(self.first, 3)
        self.second.leave()
        self.second.came()
        self.assertEqual(self.first.least(), 3)
        starting = WorkerSlot(self.tally.fileno(), self.tally.take())
        self.assertEqual(self.first.least(), 3)
        starting.join()
        self.assertEqual(self.first.least(), 0)
        self.second.join()
        self.assertEqual((self.second.mine, self.first.least()), (1, 0))

    def test_died(self) -> None:
        """The place of one that is gone counts for nothing either, and is given to the next."""
        came(self.first, 3)
        self.tally.free(2)
        self.assertEqual(self.first.least(), 3)
        self.assertEqual([self.tally.take(), self.tally.take()], [2, 3])
        self.assertEqual(self.first.least(), 3)

    def test_first_died(self) -> None:
        """A place that is free again does not end the row of those behind it."""
        came(self.second, 4)
        self.tally.free(1)
        self.assertEqual(self.second.least(), 4)

    def test_full(self) -> None:
        """Whoever finds no place has no siblings, and takes none from others."""
        places = {self.tally.take() for _ in range(5000)}
        self.assertIn(0, places)
        alone = WorkerSlot(self.tally.fileno(), 0)
        alone.join()
        came(alone, 9)
        self.assertEqual((alone.least(), self.first.least()), (9, 0))
        self.assertFalse(alone.is_alone())
        self.tally.free(0)
        self.assertEqual(self.tally.take(), 0)

    def test_is_alone(self) -> None:
        """One is alone while nobody else accepts, wherever one's place is."""
        self.assertEqual((self.first.is_alone(), self.second.is_alone()), (False, False))
        self.first.leave()
        self.assertTrue(self.second.is_alone())
        self.first.join()
        self.tally.free(2)
        self.assertTrue(self.first.is_alone())
        starting = WorkerSlot(self.tally.fileno(), self.tally.take())
        self.assertTrue(self.first.is_alone())
        starting.join()
        self.assertFalse(self.first.is_alone())

    def test_alone(self) -> None:
        """Without a page, one's own count is the least."""
        alone = WorkerSlot()
        alone.join()
        came(alone, 5)
        self.assertEqual((alone.least(), alone.neediest()), (5, (1, 5)))
        self.assertTrue(alone.is_alone())


def came(place: WorkerSlot, connections: int) -> None:
    """So many have come."""
    for _ in range(connections):
        place.came()
