"""The circuit breaker."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client.breaker import CircuitBreaker
from unixsvc.errors import Unavailable


class CircuitBreakerTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make one that opens after two failures."""
        self.breaker = CircuitBreaker(threshold=2, pause=1.0, max_pause=3.0)

    def assertRefused(self, now: float, seconds: float) -> None:
        """A call is refused, and its error says for how long."""
        with self.assertRaises(Unavailable) as caught:
            self.breaker.admit(now)
        self.assertEqual(caught.exception.detail["retry_after"], seconds)
        self.assertIn("consecutive calls", caught.exception.detail["reason"])
        self.assertTrue(self.breaker.is_open(now))

    def test_opens(self) -> None:
        """It opens after consecutive failures, and counts the calls that it refuses."""
        self.breaker.failed(0.0)
        self.breaker.succeeded()
        self.breaker.failed(1.0)
        self.breaker.admit(1.0)
        self.breaker.failed(1.0)
        self.assertRefused(1.25, 0.75)
        self.assertRefused(1.5, 0.5)
        self.assertEqual(self.breaker.refused, 2)

    def test_trial(self) -> None:
        """After the pause it admits one call; the success of that call closes it."""
        self.breaker.failed(0.0)
        self.breaker.failed(0.0)
        self.breaker.admit(1.0)
        self.assertRefused(1.5, 0.5)
        self.breaker.succeeded()
        self.assertFalse(self.breaker.is_open(1.5))
        self.breaker.admit(1.5)

    def test_pause_doubles(self) -> None:
        """Each failed trial doubles the pause, up to the longest; a success resets it."""
        self.breaker.failed(0.0)
        self.breaker.failed(0.0)
        for now, pause in ((10.0, 2.0), (20.0, 3.0), (30.0, 3.0)):
            self.breaker.admit(now)
            self.breaker.failed(now)
            self.assertRefused(now, pause)
        self.breaker.succeeded()
        self.breaker.failed(40.0)
        self.breaker.failed(40.0)
        self.assertRefused(40.0, 1.0)

    def test_concurrent_failures(self) -> None:
        """Failures of calls that began before it opened do not prolong the pause."""
        for _ in range(50):
            self.breaker.failed(0.25)
        self.assertRefused(0.25, 1.0)
