"""Requests with a key while another process holds the lock of the store."""

from __future__ import annotations

import sqlite3

from twisted.internet.defer import Deferred

from tests.unit.datasource.idempotency.store_harness import RecordedActions, StoreTestCase, keyed
from unixsvc.datasource.idempotency.database import LockHeld
from unixsvc.datasource.idempotency.store import OUTCOME_UNKNOWN
from unixsvc.domain.message import Reply
from unixsvc.errors import Unavailable

FIRST = Reply(200, b'"run 1"')


class LockedStoreTests(StoreTestCase):
    """Two workers of one application."""

    def setUp(self) -> None:
        """Create two workers with the same actions."""
        super().setUp()
        self.actions = RecordedActions()
        self.here, self.there = self.datasource(self.a, self.actions), self.datasource(self.b, self.actions)

    def lock(self) -> sqlite3.Connection:
        """Hold the lock of the file, as a worker that was stopped while it wrote."""
        holder = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(holder.close)
        holder.execute("BEGIN IMMEDIATE")
        return holder

    def test_locked_at_the_start(self) -> None:
        """While another process holds the lock, a request waits without blocking; then its action runs."""
        self.successResultOf(self.start(self.there, keyed("other")))
        holder = self.lock()
        reply, again = self.start(self.here, keyed()), self.start(self.here, keyed())
        self.clock.pump([0.1] * 5)
        self.assertNoResult(reply)
        holder.execute("ROLLBACK")
        self.clock.pump([0.25] * 2)
        self.assertEqual(self.successResultOf(reply), Reply(200, b'"run 2"'))
        self.assertEqual(self.successResultOf(again), Reply(200, b'"run 2"'))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_locked_for_long(self) -> None:
        """After a second, the request gets 503 without its action."""
        self.successResultOf(self.start(self.there, keyed("other")))
        self.lock()
        reply = self.start(self.here, keyed())
        self.clock.pump([0.1] * 9)
        self.assertNoResult(reply)
        self.clock.pump([0.1] * 5)
        self.failureResultOf(reply, Unavailable)
        self.assertEqual(len(self.actions.runs), 1)
        self.assertEqual(len(self.flushLoggedErrors(LockHeld)), 1)

    def test_locked_at_the_end(self) -> None:
        """If the lock is held when the action ends, its callers get the reply at once; it is stored later."""
        self.actions.waits = Deferred()
        first, second = self.start(self.here, keyed()), self.start(self.here, keyed())
        holder = self.lock()
        self.actions.waits.callback(None)
        self.assertEqual((self.successResultOf(first), self.successResultOf(second)), (FIRST, FIRST))
        holder.execute("ROLLBACK")
        later = self.start(self.here, keyed()), self.start(self.there, keyed())
        self.clock.pump([0.01] * 2)
        for each in later:
            self.assertEqual(self.successResultOf(each), FIRST)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_never_stored(self) -> None:
        """If the lock is held for 30 s, the reply is abandoned, and the outcome of its key is unknown."""
        self.actions.waits = Deferred()
        reply = self.start(self.here, keyed())
        holder = self.lock()
        self.actions.waits.callback(None)
        self.assertEqual(self.successResultOf(reply), FIRST)
        self.clock.pump([0.25] * 119)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.pump([0.25] * 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.flushLoggedErrors(LockHeld)), 1)
        holder.execute("ROLLBACK")
        self.assertEqual(self.successResultOf(self.start(self.here, keyed())), OUTCOME_UNKNOWN)
