"""What processes tell about themselves, as the control API shows it."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Cancellation", "RequestInFlight"]


class RequestInFlight(Struct, frozen=True):
    """A request whose reply is not complete.

    :ivar id: the request id.
    :ivar kind: ``call``, ``stream``, ``websocket``, or ``page`` for a Klein route.
    :ivar route: the method and the pattern of its route; empty if it has none, as one for a mount.
    :ivar age: in seconds; None if it is not known.
    :ivar deadline: until its time is over, in seconds; None for no limit at present.
    :ivar caller: ``user:…``, ``token:…``, ``uid:…``, or the address of an HTTP client; empty if unknown.
    :ivar where: the place in the code where it waits, as ``file:line function``; or what it waits for.
    :ivar stack: the frames down to that place, the outermost first, without those of unixsvc.
    :ivar shielded: whether the action goes on when its caller cancels it.
    """

    id: str
    kind: str
    method: str
    path: str
    route: str = ""
    age: float | None = None
    deadline: float | None = None
    caller: str = ""
    where: str = ""
    stack: tuple[str, ...] = ()
    shielded: bool = False


class Cancellation(Struct, frozen=True):
    """The result of an order to cancel.

    :ivar cancelled: the number of requests that were cancelled.
    :ivar shielded: the number of those that their routes shield.
    """

    cancelled: int = 0
    shielded: int = 0
