"""Which worker accepts the next client: the pure rules."""

from __future__ import annotations

from typing import Final

__all__ = ["AcceptBalancer", "is_balanced"]

_MAX_UNCONDITIONAL: Final = 256
_SLACK_SHIFT: Final = 3  # an eighth more than the fewest: counts need not be equal


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
