"""Which worker accepts the next client."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.balancing import AcceptBalancer


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
