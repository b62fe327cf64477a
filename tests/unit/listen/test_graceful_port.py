"""A port that loses no client when it is closed."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.listen.graceful_port import GracefulPort
from unixsvc.testing import MemoryEndpoint


class GracefulPortTests(SynchronousTestCase):
    """From listening to the last accepted client."""

    def setUp(self) -> None:
        """A port that does not listen yet."""
        self.clock, self.endpoint = Clock(), MemoryEndpoint()
        self.port = GracefulPort(self.endpoint, self.clock)

    def test_close(self) -> None:
        """It listens on for a moment, then stops, and gives the event loop one more turn."""
        self.successResultOf(Deferred.fromCoroutine(self.port.listen(Factory())))
        self.assertTrue(self.endpoint.listening)
        closed = Deferred.fromCoroutine(self.port.close())
        self.clock.advance(0.04)
        self.assertTrue(self.endpoint.listening)
        self.clock.advance(0.02)
        self.assertFalse(self.endpoint.listening)
        self.assertNoResult(closed)
        self.clock.advance(0.02)
        self.successResultOf(closed)

    def test_close_twice(self) -> None:
        """A port that is closed already, or never listened, is closed at once."""
        self.successResultOf(Deferred.fromCoroutine(self.port.close()))
        self.successResultOf(Deferred.fromCoroutine(self.port.listen(Factory())))
        first, second = (Deferred.fromCoroutine(self.port.close()) for _ in range(2))
        self.successResultOf(second)
        self.assertNoResult(first)
        self.clock.pump([0.1, 0.1])
        self.successResultOf(first)
