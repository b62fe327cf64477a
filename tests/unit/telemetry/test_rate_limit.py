"""The rate limit of log messages, without a log."""

from __future__ import annotations

import math

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.rate_limit import RateLimit


class RateLimitTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A limit of two messages in ten seconds."""
        self.limit = RateLimit(burst=2, interval=10.0, max_kinds=3)

    def admitted(self, kind: str, *times: float) -> list[bool]:
        """For messages at these times: whether they may be logged."""
        return [self.limit.admit(kind, "info", now) for now in times]

    def ended(self, now: float) -> list[tuple[str, int]]:
        """The kinds and the numbers that were suppressed in intervals that have ended."""
        return [(each.kind, each.count) for each in self.limit.take_ended(now)]

    def test_burst(self) -> None:
        """The first messages of a kind are admitted."""
        self.assertEqual(self.admitted("a", 1, 2, 3, 10.9), [True, True, False, False])

    def test_count(self) -> None:
        """At the end of the interval the number of suppressed messages is known, and a new one may begin."""
        self.admitted("a", 1, 2, 3, 10.9)
        self.assertEqual(self.ended(10.9), [])
        self.assertEqual(self.ended(11), [("a", 2)])
        self.assertEqual(self.ended(12), [])
        self.assertEqual(self.admitted("a", 12, 13, 14), [True, True, False])

    def test_nothing_suppressed(self) -> None:
        """An interval without suppressed messages is not reported."""
        self.admitted("a", 1, 2)
        self.assertEqual(self.ended(99), [])
        self.assertEqual(self.limit.next_end, math.inf)

    def test_kinds(self) -> None:
        """Each kind has an interval and a number of its own."""
        self.admitted("a", 1, 1, 1)
        self.assertEqual(self.admitted("b", 5, 5, 5), [True, True, False])
        self.assertEqual(self.limit.next_end, 11)
        self.assertEqual(self.ended(11), [("a", 1)])
        self.assertEqual(self.limit.next_end, 15)
        self.assertEqual(self.ended(15), [("b", 1)])

    def test_level(self) -> None:
        """The level of an interval is that of its first message."""
        for level in ("warn", "info", "error"):
            self.limit.admit("a", level, 1)
        self.assertEqual([each.level for each in self.limit.take_ended()], ["warn"])

    def test_all_end(self) -> None:
        """Without a time, all intervals end."""
        self.admitted("a", 1, 1, 1)
        self.assertEqual([each.count for each in self.limit.take_ended()], [1])

    def test_too_many_kinds(self) -> None:
        """Kinds above a number share one interval; those that have one keep it."""
        for kind in ("a", "b", "c"):
            self.admitted(kind, 1)
        self.assertEqual(
            [*self.admitted("d", 2), *self.admitted("e", 2), *self.admitted("f", 2)], [True, True, False]
        )
        self.assertEqual(self.admitted("a", 2), [True])
        self.assertEqual(self.ended(20), [("messages of other kinds", 1)])
        self.assertEqual(self.admitted("f", 20), [True])
