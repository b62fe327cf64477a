"""The phases of a connection, and how long it has been in one; from checks at intervals."""

from __future__ import annotations

import select
from enum import Enum
from typing import Any, Final

from twisted.internet.interfaces import ISystemHandle

__all__ = ["ConnectionPhase", "PhaseTimer", "peer_has_closed"]

# A client that takes fewer bytes than this between two checks counts as stalled.
_PROGRESS: Final = 1024


class ConnectionPhase(Enum):
    """The event that a connection waits for.

    :ivar silent: whether a connection that times out is closed without a response: there is no request.
    :ivar sends: whether the time-out is on the client to take what is sent.
    """

    NEW = "the first byte", True, False
    IDLE = "the next request", True, False
    DRAINING = "the next request, which may be on its way, while the worker drains", True, False
    HEAD = "the rest of a request head", False, False
    BODY = "the rest of a request body", False, False
    RECEIVING = "the rest of a request body, for the action that reads it", False, False
    PROCESSING = "the response", False, False
    SENDING = "the client to take a response", False, True
    CLOSING = "the client to take the last response", False, True
    LINGERING = "the client to close", False, True

    def __init__(self, description: str, silent: bool, sends: bool) -> None:
        self.silent = silent
        self.sends = sends


class PhaseTimer:
    """Measures how long a connection has been in one phase of one request.

    Requests neither read the clock nor start timers: it is enough that they are counted.
    """

    __slots__ = ("_mark", "_moved", "_since")

    def __init__(self) -> None:
        self._mark: tuple[ConnectionPhase, int] | None = None
        self._since = 0.0
        self._moved = 0

    def elapsed(
        self,
        phase: ConnectionPhase,
        served: int,
        moved: int,
        now: float,
        progress: int = _PROGRESS,
    ) -> float:
        """Note the state of the connection.

        :param served: the number of requests that have been served.
        :param moved: the number of bytes that the client has not taken, less those of a file that were sent;
            or that it has sent, if the phase is one of receiving.
        :param now: in seconds.
        :param progress: the change of ``moved`` that begins another state.
        :returns: for how long the connection has been in this state, in seconds.
        """
        # The time for the first head runs from the start of the connection.
        mark = (ConnectionPhase.HEAD if phase is ConnectionPhase.NEW else phase), served
        if mark != self._mark or abs(moved - self._moved) >= progress:
            self._mark, self._since, self._moved = mark, now, moved
        return now - self._since


def peer_has_closed(transport: object) -> bool:
    """Whether the peer has closed the connection. A transport that is paused does not find out by itself."""
    handle = _handle(transport)
    if handle is None or handle.fileno() < 0:
        return False
    poll = select.poll()
    poll.register(handle.fileno(), select.POLLRDHUP)
    return bool(poll.poll(0))


def _handle(transport: object) -> Any:
    # Any: a socket, or under uvloop its replacement.
    return transport.getHandle() if ISystemHandle.providedBy(transport) else None
