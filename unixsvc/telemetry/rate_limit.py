"""The rate limit of log messages; pure: time is an argument."""

from __future__ import annotations

import math
from typing import Final

from msgspec import Struct

__all__ = ["RateLimit", "Suppressed"]

_OTHER_KINDS: Final = "messages of other kinds"


class Suppressed(Struct):
    """The messages of one kind in one interval.

    :ivar kind: what they report.
    :ivar level: the level of the first one.
    :ivar end: when the interval ends.
    :ivar admitted: the number of messages that were logged.
    :ivar count: the number of messages that were not.
    """

    kind: str
    level: str
    end: float
    admitted: int = 0
    count: int = 0


class RateLimit:
    """Admits a number of messages of each kind in an interval, and counts the others.

    The interval of a kind begins with its first message. Kinds above a number share one interval, so that
    peers cannot fill the memory with them.

    :param burst: the number of messages.
    :param interval: in seconds.
    :param max_kinds: the number of kinds.
    """

    def __init__(self, burst: int = 20, interval: float = 10.0, max_kinds: int = 256) -> None:
        self._burst = burst
        self._max_kinds = max_kinds
        self._intervals: dict[str, Suppressed] = {}  # in the order of their ends, as all have one length
        self.interval = interval

    def admit(self, kind: str, level: str, now: float) -> bool:
        """True if a message may be logged. If not, it is counted.

        :param now: in seconds. :meth:`take_ended` was called for this time.
        """
        interval = self._intervals.get(kind)
        if interval is None:
            kind = kind if len(self._intervals) < self._max_kinds else _OTHER_KINDS
            interval = self._intervals.setdefault(kind, Suppressed(kind, level, now + self.interval))
        if interval.admitted < self._burst:
            interval.admitted += 1
            return True
        interval.count += 1
        return False

    def take_ended(self, now: float = math.inf) -> list[Suppressed]:
        """Forget the intervals that have ended, and return those with suppressed messages.

        :param now: in seconds; without it, all intervals end.
        """
        found: list[Suppressed] = []
        while self._intervals and self.next_end <= now:
            interval = self._intervals.pop(next(iter(self._intervals)))
            if interval.count:
                found.append(interval)
        return found

    @property
    def next_end(self) -> float:
        """When the next interval ends; infinity if there is none."""
        return next(iter(self._intervals.values())).end if self._intervals else math.inf
