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
        self.first, self.second = self.new_slot(), self.new_slot()

    def new_slot(self) -> WorkerSlot:
        """One more worker, that accepts."""
        place = WorkerSlot(self.tally.fileno(), self.tally.take())
        place.start_accepting()
        return place

    def test_counts(self) -> None:
        """The fewest that anybody has, oneself among them."""
        opened(self.first, 3)
        opened(self.second, 2)
        self.assertEqual((self.first.fewest(), self.second.fewest(), self.first.connections), (2, 2, 3))
        self.second.closed()
        self.assertEqual(self.first.fewest(), 1)

    def test_one_that_is_going(self) -> None:
        """One that accepts nobody any more is no sibling, even if its place is the only one."""
        self.tally.free(2)
        opened(self.first, 3)
        self.assertEqual(self.first.fewest(), 3)
        self.first.stop_accepting()
        self.assertGreater(self.first.fewest(), 1_000_000)

    def test_neediest(self) -> None:
        """Who has the fewest, and how many it has ever had, by which it is seen whether it takes any."""
        opened(self.first, 3)
        opened(self.second, 2)
        self.assertEqual(self.first.least_loaded(), (2, 2))
        self.second.closed()
        self.second.opened()
        self.assertEqual(self.first.least_loaded(), (2, 3))
        opened(self.second, 2)
        self.assertEqual(self.second.least_loaded(), (1, 3))

    def test_not_accepting(self) -> None:
        """Who does not accept yet, or any more, counts for nothing, but goes on counting."""
        opened(self.first, 3)
        self.second.stop_accepting()
        self.second.opened()
        self.assertEqual(self.first.fewest(), 3)
        starting = WorkerSlot(self.tally.fileno(), self.tally.take())
        self.assertEqual(self.first.fewest(), 3)
        starting.start_accepting()
        self.assertEqual(self.first.fewest(), 0)
        self.second.start_accepting()
        self.assertEqual((self.second.connections, self.first.fewest()), (1, 0))

    def test_died(self) -> None:
        """The place of one that is gone counts for nothing either, and is given to the next."""
        opened(self.first, 3)
        self.tally.free(2)
        self.assertEqual(self.first.fewest(), 3)
        self.assertEqual([self.tally.take(), self.tally.take()], [2, 3])
        self.assertEqual(self.first.fewest(), 3)

    def test_first_died(self) -> None:
        """A place that is free again does not end the row of those behind it."""
        opened(self.second, 4)
        self.tally.free(1)
        self.assertEqual(self.second.fewest(), 4)

    def test_full(self) -> None:
        """Whoever finds no place has no siblings, and takes none from others."""
        places = {self.tally.take() for _ in range(5000)}
        self.assertIn(0, places)
        alone = WorkerSlot(self.tally.fileno(), 0)
        alone.start_accepting()
        opened(alone, 9)
        self.assertEqual((alone.fewest(), self.first.fewest()), (9, 0))
        self.assertFalse(alone.is_only_acceptor())
        self.tally.free(0)
        self.assertEqual(self.tally.take(), 0)

    def test_is_alone(self) -> None:
        """One is alone while nobody else accepts, wherever one's place is."""
        self.assertEqual((self.first.is_only_acceptor(), self.second.is_only_acceptor()), (False, False))
        self.first.stop_accepting()
        self.assertTrue(self.second.is_only_acceptor())
        self.first.start_accepting()
        self.tally.free(2)
        self.assertTrue(self.first.is_only_acceptor())
        starting = WorkerSlot(self.tally.fileno(), self.tally.take())
        self.assertTrue(self.first.is_only_acceptor())
        starting.start_accepting()
        self.assertFalse(self.first.is_only_acceptor())

    def test_alone(self) -> None:
        """Without a page, one's own count is the least."""
        alone = WorkerSlot()
        alone.start_accepting()
        opened(alone, 5)
        self.assertEqual((alone.fewest(), alone.least_loaded()), (5, (1, 5)))
        self.assertTrue(alone.is_only_acceptor())


def opened(place: WorkerSlot, connections: int) -> None:
    """So many have come."""
    for _ in range(connections):
        place.opened()
