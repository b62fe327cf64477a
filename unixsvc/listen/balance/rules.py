"""Which worker accepts the next client: the pure rules."""

from __future__ import annotations

from typing import Final

__all__ = ["AcceptBalancer", "Turnover", "is_balanced"]

_MAX_UNCONDITIONAL: Final = 256
_SLACK_SHIFT: Final = 3  # an eighth more than the fewest: counts need not be equal
# Interval in which turnover is measured, in seconds: connections that are shorter need no even spread.
_INTERVAL: Final = 0.05
# Limit of connections that come and go: their highest number so far, of which a tenth is subtracted in each
# interval, and a few more.
_GROWTH: Final = 4
_DECAY: Final = 0.9


def is_balanced(connections: int, fewest: int) -> bool:
    """True if a worker may accept one more client without having too many.

    :param connections: of this worker.
    :param fewest: of the worker with the fewest connections.
    """
    return connections <= fewest + (fewest >> _SLACK_SHIFT)


class AcceptBalancer:
    """Makes a worker with more connections than another yield to the others for a moment.

    The kernel gives a new client to the worker that calls ``accept`` first, which is mostly the same
    one: of 200 connections, 23 to 70 landed on each of four workers. So a worker with too many
    connections yields. If the client is still waiting after that moment, and the least-loaded worker has
    accepted nothing, that worker is busy or hangs, and this one accepts: no worker depends on another.
    Each time in a row that no other worker has accepted the client, the number of clients that are
    accepted before the next attempt doubles.
    """

    def __init__(self) -> None:
        self._unconditional = 0
        self._left = 0

    def should_yield(self, connections: int, fewest: int) -> bool:
        """True if the next client is to be left to other workers; the counts are those of is_balanced."""
        if is_balanced(connections, fewest):
            return False
        if self._left > 0:
            self._left -= 1
            return False
        return True

    def yielded(self, *, in_vain: bool) -> None:
        """Note the result of yielding.

        :param in_vain: a client is still waiting, and the least-loaded worker has accepted nothing.
        """
        self._unconditional = min(max(self._unconditional * 2, 1), _MAX_UNCONDITIONAL) if in_vain else 0
        self._left = self._unconditional


class Turnover:
    """Recognizes connections that are closed as fast as they come, as those of clients with one request each.

    An even spread of such connections would be of no use, and expensive: with four clients, every connection
    is one more than another worker has at that moment, so its worker would yield after each.

    :param now: in seconds.
    :param closed: the number of connections that this worker has ever closed.
    :ivar next: when to measure again, in seconds.
    """

    def __init__(self, now: float, closed: int) -> None:
        self._since = now
        self._closed = closed
        self._missed = 0
        self._peak = 0.0
        self.next = now + _INTERVAL

    def missed(self) -> None:
        """Note that another worker has accepted a client for which this one has been woken as well."""
        self._missed += 1

    def measure(
        self, now: float, closed: int, connections: int, extremes: tuple[int, int], fewest: int
    ) -> int:
        """The number of connections that this worker may have before an even spread matters.

        These are those that may have stayed, and as many others as are closed in an interval. The others are
        limited, as clients that stay may come between them, and are spread unevenly until the next call.

        :param closed: as at the start.
        :param connections: of this worker.
        :param extremes: the lowest and highest number of connections since the last call.
        :param fewest: as in is_balanced.
        :returns: 0 if connections stay, or are rare.
        """
        share = _INTERVAL / max(now - self._since, _INTERVAL)
        expected = int((closed - self._closed) * share)
        missed = int(self._missed * share)
        self._since, self._closed, self._missed, self.next = now, closed, 0, now + _INTERVAL
        lowest, highest = extremes
        self._peak = max(highest - lowest, self._peak * _DECAY)
        if not is_balanced(lowest, fewest):
            return 0
        if expected:
            return lowest + min(expected, int(self._peak) + _GROWTH)
        return connections + 1 if missed else 0
