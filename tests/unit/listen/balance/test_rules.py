"""Which worker accepts the next client."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.balance.rules import AcceptBalancer, Turnover


class AcceptBalancerTests(SynchronousTestCase):
    """A worker with more connections yields to the others."""

    def test_fewest(self) -> None:
        """A worker with the fewest connections never yields."""
        balancer = AcceptBalancer()
        self.assertFalse(any(balancer.should_yield(count, count) for count in (0, 1, 7, 1000)))

    def test_more(self) -> None:
        """One more is too many while there are few; an eighth more counts as balanced."""
        balancer = AcceptBalancer()
        self.assertTrue(balancer.should_yield(1, 0))
        self.assertTrue(balancer.should_yield(8, 7))
        self.assertFalse(balancer.should_yield(9, 8))
        self.assertFalse(balancer.should_yield(112, 100))
        self.assertTrue(balancer.should_yield(113, 100))

    def test_accepts_after_yield(self) -> None:
        """A client that no other worker has accepted is accepted; then the worker yields again."""
        balancer = AcceptBalancer()
        self.assertTrue(balancer.should_yield(5, 0))
        balancer.yielded(in_vain=True)
        self.assertEqual([balancer.should_yield(5, 0) for _ in range(2)], [False, True])

    def test_others_blocked(self) -> None:
        """If no other worker accepts the client, the worker yields less and less often."""
        balancer, taken = AcceptBalancer(), []
        for _ in range(10):
            balancer.yielded(in_vain=True)
            count = 0
            while not balancer.should_yield(9, 0):
                count += 1
            taken.append(count)
        self.assertEqual(taken, [1, 2, 4, 8, 16, 32, 64, 128, 256, 256])

    def test_back_off_reset(self) -> None:
        """Once another worker has accepted a client, the back-off of yielding is reset."""
        balancer = AcceptBalancer()
        for in_vain in (True, True, True, False):
            balancer.yielded(in_vain=in_vain)
        self.assertTrue(balancer.should_yield(9, 0))


class TurnoverTests(SynchronousTestCase):
    """A worker whose connections are closed as fast as they come needs no even spread."""

    def setUp(self) -> None:
        """A worker that has closed 7 connections before."""
        self.turnover = Turnover(100.0, 7)

    def measure(self, now: float, closed: int, lowest: int = 0, highest: int = 10, fewest: int = 0) -> int:
        """Measure, with two connections."""
        return self.turnover.measure(now, closed, 2, (lowest, highest), fewest)

    def test_interval(self) -> None:
        """It is measured every 50 milliseconds."""
        self.assertEqual(self.turnover.next, 100.05)
        self.measure(103.0, 7)
        self.assertEqual(self.turnover.next, 103.05)

    def test_short_connections(self) -> None:
        """As many connections are allowed as are closed in an interval, besides those that may stay."""
        self.assertEqual(self.measure(100.05, 7 + 3), 3)
        self.assertEqual(self.measure(100.10, 10 + 3, lowest=4, fewest=4), 7)
        self.assertEqual(self.measure(100.20, 13 + 7, lowest=4, fewest=4), 7)

    def test_limit(self) -> None:
        """At most four more are allowed than were there at the same time, of those that did not stay."""
        self.assertEqual(self.measure(100.05, 1000, highest=3), 3 + 4)
        self.assertEqual(self.measure(100.10, 2000, lowest=20, highest=25, fewest=30), 25 + 4)

    def test_limit_decays(self) -> None:
        """The limit falls by a tenth of that number in each interval, as the number varies."""
        self.measure(100.05, 1000, highest=10)
        self.assertEqual(self.measure(100.10, 2000, highest=1), 9 + 4)
        self.assertEqual(self.measure(100.15, 3000, highest=1), 8 + 4)

    def test_rare(self) -> None:
        """With less than one closed connection in an interval, each connection counts."""
        self.assertEqual(self.measure(100.2, 7 + 3), 0)
        self.assertEqual(self.measure(100.25, 10), 0)

    def test_uneven(self) -> None:
        """A worker that had more connections than another all the time must yield, however many it closes."""
        self.assertEqual(self.measure(100.05, 1000, lowest=1, fewest=0), 0)

    def test_missed(self) -> None:
        """A worker that is woken for clients that others accept is allowed one more connection."""
        self.turnover.missed()
        self.assertEqual(self.measure(100.05, 7), 3)
        self.assertEqual(self.measure(100.10, 7), 0)

    def test_missed_rarely(self) -> None:
        """It is not if that is rare, or if another worker has fewer connections."""
        self.turnover.missed()
        self.assertEqual(self.measure(100.2, 7), 0)
        self.turnover.missed()
        self.assertEqual(self.measure(100.25, 7, lowest=1), 0)
