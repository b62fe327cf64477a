"""How long a client has kept a connection waiting, from looks at it every now and then."""

from __future__ import annotations

import select
from enum import Enum
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any, Final

from twisted.internet.interfaces import ISystemHandle

__all__ = ["ConnectionPhase", "PhaseTimer", "peer_has_closed", "unsent_bytes"]

# A client that takes fewer bytes between two looks takes nothing.
_SOME: Final = 1024


class ConnectionPhase(Enum):
    """What a connection waits for.

    :ivar silent: whether a client whose time is over is told nothing, as it has asked for nothing.
    :ivar sends: whether it is the client that has to take what is sent.
    """

    FRESH = "the first byte", True, False
    IDLE = "the next request", True, False
    PARTING = "a next request that is on its way, as we leave", True, False
    HEAD = "the rest of a head", False, False
    BODY = "the rest of a body", False, False
    ANSWERING = "us", False, False
    SENDING = "the client to take its answer", False, True
    CLOSING = "the client to take its last answer", False, True
    LINGERING = "the client to close", False, True

    def __init__(self, words: str, silent: bool, sends: bool) -> None:
        self.silent = silent
        self.sends = sends


class PhaseTimer:
    """Tells since when a connection has waited for one thing.

    No request has to ask for the time, or start a timer: it is enough that it counts.
    """

    __slots__ = ("_mark", "_since", "_unsent")

    def __init__(self) -> None:
        self._mark: tuple[ConnectionPhase, int] | None = None
        self._since = 0.0
        self._unsent = 0

    def look(self, phase: ConnectionPhase, served: int, waiting: int, now: float) -> float:
        """Note what is, and say for how many seconds it has been so.

        :param served: how many requests have been.
        :param waiting: how many bytes the client has not taken.
        :param now: in seconds.
        """
        # The time for the first head counts from the connection's beginning.
        mark = (ConnectionPhase.HEAD if phase is ConnectionPhase.FRESH else phase), served
        if mark != self._mark or abs(waiting - self._unsent) >= _SOME:
            self._mark, self._since, self._unsent = mark, now, waiting
        return now - self._since


def unsent_bytes(transport: Any) -> int:
    """How many of the bytes that were given to the kernel the other end has not taken."""
    handle = _handle(transport)
    if handle is None:
        return 0
    found = bytearray(4)
    try:
        ioctl(handle.fileno(), TIOCOUTQ, found)
    except (OSError, ValueError):  # closed meanwhile
        return 0
    return int.from_bytes(found, "little")


def peer_has_closed(transport: Any) -> bool:
    """Whether the other end has closed; where nothing is read, nobody else finds out."""
    handle = _handle(transport)
    if handle is None or handle.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(handle.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))


def _handle(transport: Any) -> Any:
    return transport.getHandle() if ISystemHandle.providedBy(transport) else None
