"""Deferreds that fail and that nothing awaits."""

from __future__ import annotations

import gc

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.worker.unawaited import UnawaitedDeferreds


async def fails() -> None:
    """Fail at once."""
    raise KeyError("x")


class UnawaitedTests(SynchronousTestCase):
    """``UnawaitedDeferreds``."""

    def setUp(self) -> None:
        """Install it, without the garbage collections of Python."""
        self.patch(defer, "DebugInfo", defer.DebugInfo)
        self.clock = Clock()
        UnawaitedDeferreds(self.clock).install()
        gc.disable()
        self.addCleanup(gc.enable)

    def logged(self) -> int:
        """The number of failures that were logged since the last call."""
        return len(self.flushLoggedErrors(KeyError))

    def test_dropped(self) -> None:
        """The failure of a Deferred without references is logged in the next turn."""
        Deferred.fromCoroutine(fails())
        self.assertEqual(self.logged(), 0)
        self.clock.advance(0)
        self.assertEqual(self.logged(), 1)

    def test_kept(self) -> None:
        """That of a Deferred that is referenced is logged after ten seconds, once."""
        kept = Deferred.fromCoroutine(fails())
        self.clock.pump([0, 9.9])
        self.assertEqual(self.logged(), 0)
        self.clock.advance(0.1)
        self.assertEqual(self.logged(), 1)
        self.failureResultOf(kept, KeyError)
        del kept
        self.clock.advance(20)
        gc.collect()
        self.assertEqual(self.logged(), 0)

    def test_awaited(self) -> None:
        """That of a Deferred that is awaited in time is not logged."""
        late = Deferred.fromCoroutine(fails())
        self.clock.advance(5)
        self.failureResultOf(late, KeyError)
        self.clock.advance(20)
        gc.collect()
        self.assertEqual(self.logged(), 0)
