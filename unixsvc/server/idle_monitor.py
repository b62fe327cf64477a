"""The time-outs of a connection, from snapshots that are taken about once a second."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from msgspec import Struct

from unixsvc.config.settings import Limits
from unixsvc.server.lifecycle import ConnectionState

__all__ = ["ConnectionSnapshot", "IdleMonitor", "Timeout"]


class Timeout(Enum):
    """What the time demands of a connection."""

    NONE = auto()
    IDLE = auto()  # finish it
    INCOMPLETE = auto()  # refuse it: no complete message has arrived in time
    STALLED = auto()  # abort it: the client is disconnected, or takes no more replies


class ConnectionSnapshot(Struct, frozen=True):
    """One connection at one moment.

    :ivar activity: grows with each message that is served, and with the stream items that are sent.
    :ivar busy: requests are pending.
    :ivar held: all of these are streams that wait for the client's credit.
    :ivar partial: a message has begun and not ended.
    :ivar framed: at least one whole message has arrived.
    :ivar blocked: the client does not take its replies.
    :ivar disconnected: the client is no longer connected.
    """

    state: ConnectionState
    activity: int
    busy: bool
    held: bool
    partial: bool
    framed: bool
    blocked: bool
    disconnected: bool


# Seconds until a connection is aborted. A client that is refused may still be sending: its bytes are read and
# dropped, as closing a socket with unread bytes resets the connection before the client has read the reply.
# After an abort the client has a little time to take its last replies.
_LAST_SECONDS: Final = {ConnectionState.LINGERING: 2.0, ConnectionState.ABORTED: 0.5}
# Seconds for a client that was sent goaway to disconnect where no other worker serves meanwhile.
_GOAWAY_SECONDS: Final = 0.5
_DRAINING: Final = (ConnectionState.DRAINING, ConnectionState.GOAWAY_SENT)


class IdleMonitor:
    """Compares snapshots of one connection, and finds how long it has been idle.

    :param activity: as in the last snapshot; -1 before the first.
    :param idle_since: in seconds.
    """

    __slots__ = ("_activity", "_idle_since", "_partial_since")

    def __init__(self, activity: int = -1, idle_since: float = 0.0) -> None:
        self._activity = activity
        self._idle_since = idle_since
        self._partial_since: float | None = None

    def check(
        self, snapshot: ConnectionSnapshot, limits: Limits, now: float, *, wait_for_idle: bool
    ) -> Timeout:
        """Compare with the last snapshot.

        :param now: in seconds.
        :param wait_for_idle: false to give draining clients that are idle half a second only.
        """
        self._note(snapshot, now)
        idle = now - self._idle_since
        if snapshot.state in _LAST_SECONDS:
            return Timeout.STALLED if idle >= _LAST_SECONDS[snapshot.state] else Timeout.NONE
        if snapshot.disconnected:
            return Timeout.STALLED
        if self._partial_since is not None and now - self._partial_since >= limits.message_timeout:
            return Timeout.INCOMPLETE
        if idle >= limits.idle_timeout:
            return _when_idle(snapshot)
        draining = snapshot.state in _DRAINING and not snapshot.busy
        return Timeout.IDLE if draining and not wait_for_idle and idle >= _GOAWAY_SECONDS else Timeout.NONE

    def _note(self, snapshot: ConnectionSnapshot, now: float) -> None:
        if (snapshot.busy and not snapshot.held) or snapshot.activity != self._activity:
            self._activity = snapshot.activity
            self._idle_since = now
            self._partial_since = None
        # While the server itself does not read or serve, a partial message is not the client's fault.
        if not snapshot.partial or snapshot.blocked or snapshot.state >= ConnectionState.CLOSING:
            self._partial_since = None
        elif self._partial_since is None:
            self._partial_since = now


def _when_idle(snapshot: ConnectionSnapshot) -> Timeout:
    if snapshot.blocked or snapshot.busy or snapshot.state >= ConnectionState.CLOSING:
        return Timeout.STALLED  # replies or items that the client does not take would keep it open for ever
    return Timeout.IDLE if snapshot.framed else Timeout.INCOMPLETE
