"""Which worker accepts the next client."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.balancing import AcceptBalancer


class CourtesyTests(SynchronousTestCase):
    """Who has more lets the others go first."""

    def test_as_few_as_any(self) -> None:
        """Who has as few connections as anybody never stands back."""
        courtesy = AcceptBalancer()
        self.assertFalse(any(courtesy.should_yield(count, count) for count in (0, 1, 7, 1000)))

    def test_more(self) -> None:
        """One more is too many while there are few; an eighth more is even enough where there are many."""
        courtesy = AcceptBalancer()
        self.assertTrue(courtesy.should_yield(1, 0))
        self.assertTrue(courtesy.should_yield(8, 7))
        self.assertFalse(courtesy.should_yield(9, 8))
        self.assertFalse(courtesy.should_yield(112, 100))
        self.assertTrue(courtesy.should_yield(113, 100))

    def test_nobody_else(self) -> None:
        """A client whom nobody has taken meanwhile is taken; then the others are let go first again."""
        courtesy = AcceptBalancer()
        self.assertTrue(courtesy.should_yield(5, 0))
        courtesy.yielded(in_vain=True)
        self.assertEqual([courtesy.should_yield(5, 0) for _ in range(2)], [False, True])

    def test_others_hang(self) -> None:
        """Where standing back is of no use, it is done ever more seldom."""
        courtesy, taken = AcceptBalancer(), []
        for _ in range(10):
            courtesy.yielded(in_vain=True)
            count = 0
            while not courtesy.should_yield(9, 0):
                count += 1
            taken.append(count)
        self.assertEqual(taken, [1, 2, 4, 8, 16, 32, 64, 128, 256, 256])

    def test_others_are_back(self) -> None:
        """Once another has taken one, all is as at first."""
        courtesy = AcceptBalancer()
        for in_vain in (True, True, True, False):
            courtesy.yielded(in_vain=in_vain)
        self.assertTrue(courtesy.should_yield(9, 0))
