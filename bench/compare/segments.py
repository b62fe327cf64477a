"""How instructions are counted: in segments with requests and in empty ones.

A segment is the time between two marks. The empty ones give the cost of a mark, which is subtracted. Timers,
such as the heartbeat of a worker, run in some segments only and always add instructions: the minimum of
many segments is the cost of the requests. The replies that a client reads at once also vary, at random and
in both directions: the result is the median of the rounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["EMPTY_SEGMENTS", "ROUNDS", "SEGMENTS", "instructions_per_request"]

EMPTY_SEGMENTS: Final = 6
ROUNDS: Final = 3
SEGMENTS: Final = 10 * ROUNDS


def instructions_per_request(empty: Sequence[int], counted: Sequence[int], requests: int) -> list[float]:
    """The instructions of a request in each round.

    :param empty: instructions of the empty segments.
    :param counted: those of the segments with requests; a round is every :data:`ROUNDS`-th of them, so that a
        disturbance affects all rounds.
    :param requests: in each segment.
    """
    mark = min(empty)
    return [(min(counted[number::ROUNDS]) - mark) / requests for number in range(ROUNDS)]
