"""Which worker accepts the next client: the pure part."""

from __future__ import annotations

from typing import Final

__all__ = ["AcceptBalancer", "keeps_even"]

_MOST: Final = 256
_SLACK: Final = 3  # an eighth of the fewest may be had in excess: counts need not be equal, only even


def keeps_even(mine: int, least: int) -> bool:
    """Whether a worker may take one more client without having too many.

    :param mine: how many connections it has.
    :param least: how many the one with the fewest has.
    """
    return mine <= least + (least >> _SLACK)


class AcceptBalancer:
    """A worker that has more connections than another lets the others go first, for a moment.

    The kernel gives a new client to whoever asks first, and that is mostly the same worker: of 200
    connections, 23 to 70 landed on each of four. So a worker that has more than the one with the fewest
    stands back. If the client still waits after that moment, and the one with the fewest has taken nobody,
    that one is busy or hangs, and the client is taken: nobody ever depends on another. Each time in a row
    that standing back was of no use, twice as many are taken before it is done again.
    """

    def __init__(self) -> None:
        self._granted = 0
        self._left = 0

    def stands_back(self, mine: int, least: int) -> bool:
        """Whether the next client is to be left to the others; the counts are those of :func:`keeps_even`."""
        if keeps_even(mine, least):
            return False
        if self._left > 0:
            self._left -= 1
            return False
        return True

    def stood_back(self, *, in_vain: bool) -> None:
        """The moment is over.

        :param in_vain: whether somebody still waits, and not the one with the fewest has taken anybody.
        """
        self._granted = min(max(self._granted * 2, 1), _MOST) if in_vain else 0
        self._left = self._granted
