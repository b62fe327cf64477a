"""What is known of a request whose reply is not complete."""

from __future__ import annotations

from msgspec import Struct
from twisted.internet.interfaces import IDelayedCall

from unixsvc.domain.message import Request

__all__ = ["CallFacts", "earliest"]


class CallFacts(Struct, frozen=True):
    """One request.

    :ivar kind: ``call``, ``stream``, ``websocket`` or ``page``.
    :ivar request: None if its context does not know it.
    :ivar started: when it has started, on the clock of HandleMessage; None if that is not known.
    :ivar began: the same on the clock of the reactor; None if it is not known there.
    :ivar deadline: when its time is over, on the clock of the reactor; None for no limit at present.
    :ivar steps: the coroutine or the generator that waits; None if that is not known.
    :ivar for_reader: whether a stream waits for its reader.
    :ivar shielded: whether it goes on when its caller cancels it.
    """

    kind: str
    request: Request | None
    started: float | None = None
    began: float | None = None
    deadline: float | None = None
    steps: object = None
    for_reader: bool = False
    shielded: bool = False


def earliest(*timers: IDelayedCall | None) -> float | None:
    """The time of the first timer that is still to fire; None without any."""
    return min((each.getTime() for each in timers if each is not None and each.active()), default=None)
