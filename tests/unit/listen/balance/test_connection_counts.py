"""The shared memory in which workers count their connections."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.balance.connection_counts import ConnectionCounts, WorkerSlot


class ConnectionCountsTests(SynchronousTestCase):
    """Each worker sees the counts of the others."""

    def setUp(self) -> None:
        """Shared memory with two slots."""
        self.counts = ConnectionCounts()
        self.addCleanup(self.counts.close)
        self.first, self.second = self.new_slot(), self.new_slot()

    def new_slot(self) -> WorkerSlot:
        """One more worker that accepts."""
        slot = WorkerSlot(self.counts.fileno(), self.counts.take())
        slot.start_accepting()
        return slot

    def test_counts(self) -> None:
        """The fewest connections of all workers, this one included."""
        opened(self.first, 3)
        opened(self.second, 2)
        self.assertEqual((self.first.fewest(), self.second.fewest(), self.first.connections), (2, 2, 3))
        self.second.closed()
        self.assertEqual(self.first.fewest(), 1)

    def test_turnover(self) -> None:
        """How many connections are closed; the lowest and highest number since that was asked."""
        opened(self.first, 3)
        self.first.closed()
        self.first.closed()
        opened(self.first, 4)
        self.assertEqual((self.first.closed_ever, self.first.connections), (2, 5))
        self.assertEqual([self.first.extremes(), self.first.extremes()], [(0, 5), (5, 5)])
        self.first.closed()
        opened(self.first, 2)
        self.first.closed()
        self.assertEqual(self.first.extremes(), (4, 6))

    def test_next_worker(self) -> None:
        """The next worker of a slot counts on."""
        opened(self.second, 3)
        self.second.closed()
        self.assertEqual(WorkerSlot(self.counts.fileno(), 2).closed_ever, 3)

    def test_shared(self) -> None:
        """A worker knows whether there is another one."""
        self.assertTrue(self.first.is_shared())
        self.counts.free(2)
        self.assertFalse(self.first.is_shared())
        self.assertFalse(WorkerSlot().is_shared())

    def test_draining_worker(self) -> None:
        """A worker that has stopped to accept does not count, even if its slot is the only one."""
        self.counts.free(2)
        opened(self.first, 3)
        self.assertEqual(self.first.fewest(), 3)
        self.first.stop_accepting()
        self.assertGreater(self.first.fewest(), 1_000_000)

    def test_least_loaded(self) -> None:
        """The least-loaded worker, and how many connections it has ever accepted."""
        opened(self.first, 3)
        opened(self.second, 2)
        self.assertEqual(self.first.least_loaded(), (2, 2))
        self.second.closed()
        self.second.opened()
        self.assertEqual(self.first.least_loaded(), (2, 3))
        opened(self.second, 2)
        self.assertEqual(self.second.least_loaded(), (1, 3))

    def test_not_accepting(self) -> None:
        """A worker that does not accept yet, or any more, is ignored, but counts its connections."""
        opened(self.first, 3)
        self.second.stop_accepting()
        self.second.opened()
        self.assertEqual(self.first.fewest(), 3)
        starting = WorkerSlot(self.counts.fileno(), self.counts.take())
        self.assertEqual(self.first.fewest(), 3)
        starting.start_accepting()
        self.assertEqual(self.first.fewest(), 0)
        self.second.start_accepting()
        self.assertEqual((self.second.connections, self.first.fewest()), (1, 0))

    def test_exited_worker(self) -> None:
        """The slot of an exited worker is ignored, and given to the next worker."""
        opened(self.first, 3)
        self.counts.free(2)
        self.assertEqual(self.first.fewest(), 3)
        self.assertEqual([self.counts.take(), self.counts.take()], [2, 3])
        self.assertEqual(self.first.fewest(), 3)

    def test_first_slot_freed(self) -> None:
        """A free slot does not hide the slots behind it."""
        opened(self.second, 4)
        self.counts.free(1)
        self.assertEqual(self.second.fewest(), 4)

    def test_full(self) -> None:
        """A worker without a slot counts for itself, and does not disturb the others."""
        places = {self.counts.take() for _ in range(5000)}
        self.assertIn(0, places)
        alone = WorkerSlot(self.counts.fileno(), 0)
        alone.start_accepting()
        opened(alone, 9)
        self.assertEqual((alone.fewest(), self.first.fewest()), (9, 0))
        self.assertTrue(alone.stop_accepting())
        self.counts.free(0)
        self.assertEqual(self.counts.take(), 0)

    def test_first(self) -> None:
        """The first worker is the one with the lowest number of those that accept."""
        first, second, third = self.first, self.second, self.new_slot()
        self.assertEqual([each.is_first() for each in (first, second, third)], [True, False, False])
        second.stop_accepting()
        self.assertEqual([each.is_first() for each in (first, third)], [True, False])

    def test_others_accept(self) -> None:
        """A worker that stops to accept learns whether another one still does."""
        self.assertTrue(self.first.stop_accepting())
        self.assertFalse(self.second.stop_accepting())
        starting = WorkerSlot(self.counts.fileno(), self.counts.take())
        self.assertFalse(self.first.stop_accepting())
        starting.start_accepting()
        self.assertTrue(self.first.stop_accepting())
        self.counts.free(3)
        self.assertFalse(self.first.stop_accepting())

    def test_only_acceptor(self) -> None:
        """Without shared memory, a worker's own count is the fewest."""
        alone = WorkerSlot()
        alone.start_accepting()
        opened(alone, 5)
        self.assertEqual((alone.fewest(), alone.least_loaded()), (5, (1, 5)))
        self.assertFalse(alone.stop_accepting())


def opened(slot: WorkerSlot, connections: int) -> None:
    """Count new connections."""
    for _ in range(connections):
        slot.opened()
