"""When a worker is recycled: replaced although it is healthy."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

__all__ = ["Recycling", "Usage", "reason_to_recycle"]

# The limits of a worker are up to a tenth higher, at random: workers that started together should not all be
# recycled together.
_SPREAD: Final = 0.1


class Recycling(Struct, frozen=True):
    """The limits of one worker; 0 is for no limit.

    :ivar max_memory: resident memory, in bytes.
    :ivar max_age: in seconds.
    """

    max_requests: int = 0
    max_memory: int = 0
    max_age: float = 0.0


class Usage(Struct, frozen=True):
    """What a worker has used.

    :ivar memory: resident memory, in bytes.
    :ivar age: in seconds.
    """

    requests: int = 0
    memory: int = 0
    age: float = 0.0


def reason_to_recycle(limits: Recycling, usage: Usage, jitter: float) -> str:
    """The limit that a worker has reached; empty if it has reached none.

    :param jitter: a random number from 0 to 1, constant for one worker.
    """
    for name, limit, used in (
        ("max_requests", limits.max_requests, usage.requests),
        ("max_memory", limits.max_memory, usage.memory),
        ("max_age", limits.max_age, usage.age),
    ):
        if limit and used >= limit * (1 + jitter * _SPREAD):
            return f"{name} is {limit:g}, and it has {used:g}"
    return ""
