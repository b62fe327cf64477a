"""What processes tell about themselves, as the control API shows it."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Allocation", "Cancellation", "MemoryUse", "Profile", "RequestInFlight", "TypeCount"]


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


class Profile(Struct, frozen=True):
    """The processor time of a process.

    :ivar seconds: how long samples were taken.
    :ivar samples: how many.
    :ivar overhead: the processor time of taking them, in seconds.
    :ivar stacks: the processor time by stack, in seconds; frames are separated by ``;``, the outermost first.
    """

    seconds: float
    samples: int
    overhead: float
    stacks: dict[str, float]


class Allocation(Struct, frozen=True):
    """What a line of code has allocated and not freed; ``size`` is in bytes."""

    where: str
    size: int
    count: int


class TypeCount(Struct, frozen=True):
    """The objects of one type that the garbage collector knows, and how many more they have become."""

    name: str
    count: int
    growth: int


class MemoryUse(Struct, frozen=True):
    """The memory of a process, in bytes.

    :ivar seconds: how long allocations were watched.
    :ivar rss: resident.
    :ivar pss: the same, with its share of the memory that processes have in common.
    :ivar uss: of this process only.
    :ivar allocations: the lines that have allocated most meanwhile.
    :ivar types: those with the greatest growth meanwhile.
    """

    seconds: float
    rss: int
    pss: int
    uss: int
    allocations: list[Allocation]
    types: list[TypeCount]
