"""One timer for the deadlines of all calls on a connection. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Protocol

__all__ = ["SLACK", "CallLater", "DeadlineTimer"]

# A deadline may be early by this much, in seconds: uvloop counts whole milliseconds, and rounds them twice.
# A timer that was set again for the rest of a millisecond would fire in each turn of the loop until then.
SLACK: Final = 0.0015
_MAX_DELAY: Final = 1e6  # seconds; a longer delay may be more than an event loop can represent


class _Timer(Protocol):
    def cancel(self) -> object:
        """Do not call the function."""


class CallLater(Protocol):
    """Schedules a call, as ``loop.call_later`` and ``reactor.callLater`` do."""

    def __call__(self, delay: float, callback: Callable[[], object], /) -> _Timer:
        """Call a function after a number of seconds."""


class DeadlineTimer:
    """Fires at the earliest deadline. Only a call that has the earliest one pays for setting the timer.

    Most calls end long before their deadline, and in the order in which they were made. A timer for each
    call, or a heap of deadlines, would be work that is thrown away.

    :param clock: a monotonic clock, in seconds.
    :param call_later: schedules a call.
    :param expire: called with the time; ends the calls that are over, and returns the next deadline, or
        infinity.
    :ivar at: when it fires next; infinity if it is stopped. Call :meth:`set` only for an earlier deadline.
    """

    __slots__ = ("_call_later", "_clock", "_expire", "_timer", "at")

    def __init__(
        self, clock: Callable[[], float], call_later: CallLater, expire: Callable[[float], float]
    ) -> None:
        self._clock = clock
        self._call_later = call_later
        self._expire = expire
        self._timer: _Timer | None = None
        self.at = math.inf

    def set(self, deadline: float) -> None:
        """Fire at this deadline instead of the present one."""
        self.stop()
        self.at = deadline
        self._timer = self._call_later(min(max(deadline - self._clock(), 0.0), _MAX_DELAY), self._fire)

    def stop(self) -> None:
        """Do not fire: an idle connection leaves no delayed call in the event loop."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self.at = None, math.inf

    def _fire(self) -> None:
        self._timer, self.at = None, math.inf
        following = self._expire(self._clock() + SLACK)
        if following < self.at:  # the end of a call may have led to a new one with an earlier deadline
            self.set(following)
