"""The way of a connection to its end: how far it is, and what follows from that, or from the time."""

from __future__ import annotations

from enum import Enum, IntEnum, auto
from typing import Final

from msgspec import Struct

from unixsvc.config.settings import Limits

__all__ = ["ConnectionAction", "ConnectionSnapshot", "ConnectionState", "IdleMonitor", "required_action"]


class ConnectionState(IntEnum):
    """How far it is. A connection only ever goes on to a later stage."""

    SERVING = 0
    LEAVING = auto()  # the client is to go, and is told as soon as it has said something
    TOLD = auto()
    ENDING = auto()  # closed once nothing is left to be served
    ENDED = auto()  # likewise, and the client sends no more
    CLOSING = auto()  # nothing more is served; closed once all is answered
    REFUSING = auto()  # likewise, but the client may still be sending then
    LINGERING = auto()  # all is answered, and what the client is still sending is read and dropped
    GIVEN_UP = auto()  # closed now, or cut off soon
    LOST = auto()


class ConnectionAction(Enum):
    """What is to be done with a connection."""

    NOTHING = auto()
    TELL = auto()  # that the client is to go
    FINISH = auto()  # serve what has arrived, answer it, and close
    REFUSE = auto()  # say that no complete message has come in time, and close
    LINGER = auto()
    CLOSE = auto()
    CUT_OFF = auto()  # without waiting for what is still to be sent


class ConnectionSnapshot(Struct, frozen=True):
    """What is seen of a connection at one moment.

    :ivar served: grows with each message that is served, and with what is sent of streams.
    :ivar busy: whether requests are unanswered.
    :ivar held: whether these are all streams that the client holds up.
    :ivar partial: whether a message has begun and not ended.
    :ivar framed: whether there has ever been a whole message.
    :ivar full: whether the client does not take its replies.
    :ivar gone: whether the client is gone.
    """

    stage: ConnectionState
    served: int
    busy: bool
    held: bool
    partial: bool
    framed: bool
    full: bool
    gone: bool


# A client that is told why its message is refused may still be sending it: it is read on for so long, as
# a socket that is closed with bytes unread resets the client before it has seen the reply. One that is
# given up has so long to take its last replies.
_LAST_SECONDS: Final = {ConnectionState.LINGERING: 2.0, ConnectionState.GIVEN_UP: 0.5}
# Where nobody serves in our place, a client that has been told to go, and does not, is given so long.
_GOAWAY_SECONDS: Final = 0.5


def required_action(stage: ConnectionState, *, named: bool, served: int, waiting: bool) -> ConnectionAction:
    """What a stage demands, whatever the time is.

    :param named: whether the client has shown an id, so that it can hear that it is to go.
    :param served: how many messages have been served.
    :param waiting: whether replies are still to come, or to be taken by the client.
    """
    if stage is ConnectionState.LEAVING and served:  # one that has said nothing yet is listened to first
        return ConnectionAction.TELL if named else ConnectionAction.FINISH
    if stage < ConnectionState.CLOSING or waiting:
        return ConnectionAction.NOTHING
    return _WHEN_ANSWERED.get(stage, ConnectionAction.NOTHING)


_WHEN_ANSWERED: Final = {
    ConnectionState.CLOSING: ConnectionAction.CLOSE,
    ConnectionState.REFUSING: ConnectionAction.LINGER,
    ConnectionState.GIVEN_UP: ConnectionAction.CLOSE,
}


class IdleMonitor:
    """Tells since when a connection has been quiet, from looks at it every now and then."""

    __slots__ = ("_partial_since", "_quiet_since", "_served")

    def __init__(self) -> None:
        self._served = -1
        self._quiet_since = 0.0
        self._partial_since: float | None = None

    def look(self, sight: ConnectionSnapshot, limits: Limits, now: float, *, hurry: bool) -> ConnectionAction:
        """Note what has happened since the last look, and say what the time demands.

        :param now: in seconds.
        :param hurry: a client that is to go must not take its time.
        """
        self._note(sight, now)
        quiet = now - self._quiet_since
        if sight.stage in _LAST_SECONDS:
            return (
                ConnectionAction.CUT_OFF if quiet >= _LAST_SECONDS[sight.stage] else ConnectionAction.NOTHING
            )
        if sight.gone:
            return ConnectionAction.CUT_OFF
        if self._partial_since is not None and now - self._partial_since >= limits.message_timeout:
            return ConnectionAction.REFUSE
        if quiet >= limits.idle_timeout:
            return _idle(sight)
        leaving = sight.stage in (ConnectionState.LEAVING, ConnectionState.TOLD) and not sight.busy
        if hurry and leaving and quiet >= _GOAWAY_SECONDS:
            return ConnectionAction.FINISH
        return ConnectionAction.NOTHING

    def _note(self, sight: ConnectionSnapshot, now: float) -> None:
        if (sight.busy and not sight.held) or sight.served != self._served:
            self._served = sight.served
            self._quiet_since = now
            self._partial_since = None
        # Where nothing is read or served, it is no fault of the client's.
        if not sight.partial or sight.full or sight.stage >= ConnectionState.CLOSING:
            self._partial_since = None
        elif self._partial_since is None:
            self._partial_since = now


def _idle(sight: ConnectionSnapshot) -> ConnectionAction:
    if sight.full or sight.busy or sight.stage >= ConnectionState.CLOSING:
        return ConnectionAction.CUT_OFF  # what waits to be sent, or to be wanted, would keep it open for ever
    return ConnectionAction.FINISH if sight.framed else ConnectionAction.REFUSE
