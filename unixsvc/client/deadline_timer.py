"""One timer for the many deadlines of a connection, whoever counts its time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

__all__ = ["SLACK", "DeadlineTimer"]

# By so much a deadline may be early, in seconds: uvloop counts whole milliseconds, and rounds them twice. Who
# asked it again for the part of one that is left would be called in each turn until that is over.
SLACK: Final = 0.0015
_LONGEST: Final = 1e6  # seconds that are waited at a time; what is longer may be more than a loop can count


class DeadlineTimer:
    """Rings at the earliest deadline. A call pays for it only if it is the one that ends first.

    Most calls end long before their deadline, and in the order in which they began: for them a timer of their
    own, or a heap of deadlines, would be work that is thrown away.

    :param seconds: tells the time.
    :param later: calls something after so many seconds; what it gives has a method ``cancel``.
    :param ring: told the time; ends what is over, and gives the deadline that is then the next, or infinity.
    :ivar at: when it rings next; infinity if it does not. Set it only for what is earlier.
    """

    __slots__ = ("_later", "_ring", "_seconds", "_timer", "at")

    def __init__(
        self, seconds: Callable[[], float], later: Callable[..., Any], ring: Callable[[float], float]
    ) -> None:
        self._seconds = seconds
        self._later = later
        self._ring = ring
        self._timer: Any = None
        self.at = math.inf

    def set(self, deadline: float) -> None:
        """Ring then, and no longer when it would have."""
        self.rest()
        self.at = deadline
        self._timer = self._later(min(max(deadline - self._seconds(), 0.0), _LONGEST), self._rings)

    def rest(self) -> None:
        """There is nothing to ring for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self.at = None, math.inf

    def _rings(self) -> None:
        self._timer, self.at = None, math.inf
        following = self._ring(self._seconds() + SLACK)
        if following < self.at:  # what has ended may have led to new calls
            self.set(following)
