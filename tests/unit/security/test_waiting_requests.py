"""The queue of requests that wait for room."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import Unavailable
from unixsvc.security.waiting_requests import WaitingRequests


class WaitingRequestsTests(SynchronousTestCase):
    """Requests in a queue for three."""

    def setUp(self) -> None:
        """Fill the queue."""
        self.queue = WaitingRequests(3)
        self.waiting = [self.queue.wait() for _ in range(3)]

    def test_order(self) -> None:
        """The oldest goes on first."""
        first, second, _ = self.waiting
        self.queue.release()
        self.successResultOf(first)
        self.assertNoResult(second)
        self.queue.release()
        self.successResultOf(second)
        self.assertEqual(self.queue.count, 1)

    def test_full(self) -> None:
        """One more gets 503, until one has left."""
        self.assertRaises(Unavailable, self.queue.wait)
        self.queue.release()
        self.assertNoResult(self.queue.wait())

    def test_cancelled(self) -> None:
        """A request that is cancelled leaves the queue."""
        first, second, _ = self.waiting
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertEqual(self.queue.count, 2)
        self.queue.release()
        self.successResultOf(second)
