"""The time of a link."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct
from twisted.internet.interfaces import IDelayedCall

__all__ = ["LinkClock"]


class LinkClock(Struct, frozen=True):
    """The time of a link.

    :ivar seconds: a monotonic clock, in seconds.
    :ivar call_later: calls a function after a number of seconds.
    :ivar call_soon: calls a function in the next turn of the event loop.
    """

    seconds: Callable[[], float]
    call_later: Callable[..., IDelayedCall]
    call_soon: Callable[[Callable[[], None]], object]
