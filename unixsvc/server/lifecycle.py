"""The lifecycle of a server connection: one table of (state, event) → (state, action)."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import Final

from msgspec import Struct

__all__ = ["TRANSITIONS", "ConnectionAction", "ConnectionEvent", "ConnectionLifecycle", "ConnectionState"]


class ConnectionState(IntEnum):
    """States, in order: a connection never returns to an earlier one."""

    SERVING = 0  # zero, so that the path of every message tests it at no cost
    DRAINING = auto()  # goaway is sent, or the connection finished, after the client's first message
    GOAWAY_SENT = auto()
    FINISHING = auto()  # what has arrived, also in the kernel, is still served
    INPUT_ENDED = auto()  # the client has shut down its sending side; what has arrived is still served
    CLOSING = auto()  # nothing more is served; closed when all replies are sent
    REFUSING = auto()  # the same, but the client may still be sending
    LINGERING = auto()  # all replies are sent; input is read and dropped, so that the client can read them
    ABORTED = auto()  # pending requests got 503
    LOST = auto()


class ConnectionEvent(IntEnum):
    """What happens to a connection. The values are indexes."""

    DRAIN = 0  # the worker stops or reloads
    IDENTIFIED = auto()  # while draining: a request had an id, so the client understands goaway
    ANONYMOUS = auto()  # while draining: a request was served, and none had an id
    FINISH = auto()  # idle for too long
    LAST_MESSAGE = auto()  # the one-message exchange
    INPUT_ENDED = auto()  # the client has shut down its sending side; requests or bytes are pending
    INPUT_SERVED = auto()  # all that arrived is served
    DISCONNECTED = auto()  # end of input with nothing left to do
    REFUSE = auto()  # a protocol error, too many connections or wrong tokens, no complete message in time
    REPLIED = auto()  # no request is pending, and the client has taken all replies
    ABORT = auto()  # the drain timeout is over
    LOST = auto()


class ConnectionAction(IntEnum):
    """What the connection has to do after a transition. The values are indexes."""

    NOTHING = 0
    SERVE = auto()  # serve what has arrived
    SEND_GOAWAY = auto()
    CLOSE = auto()  # after what is still to be sent
    LINGER = auto()  # shut down the sending side, and read on
    CANCEL_PENDING = auto()  # answer 503, and close


def _transitions() -> dict[tuple[ConnectionState, ConnectionEvent], tuple[ConnectionState, ConnectionAction]]:
    state, event, action = ConnectionState, ConnectionEvent, ConnectionAction
    table = {(each, happens): (each, action.NOTHING) for each in state for happens in event}
    table |= {
        (state.SERVING, event.DRAIN): (state.DRAINING, action.SERVE),
        (state.DRAINING, event.IDENTIFIED): (state.GOAWAY_SENT, action.SEND_GOAWAY),
        (state.DRAINING, event.ANONYMOUS): (state.FINISHING, action.SERVE),
        (state.INPUT_ENDED, event.FINISH): (state.INPUT_ENDED, action.SERVE),
        (state.FINISHING, event.INPUT_SERVED): (state.CLOSING, action.NOTHING),
        (state.INPUT_ENDED, event.INPUT_SERVED): (state.CLOSING, action.NOTHING),
        (state.CLOSING, event.REPLIED): (state.CLOSING, action.CLOSE),
        (state.REFUSING, event.REPLIED): (state.LINGERING, action.LINGER),
        (state.ABORTED, event.REPLIED): (state.ABORTED, action.CLOSE),
    }
    for each in state:
        if each < state.INPUT_ENDED:
            table[each, event.FINISH] = (state.FINISHING, action.SERVE)
            table[each, event.INPUT_ENDED] = (state.INPUT_ENDED, action.SERVE)
        if each < state.CLOSING:
            table[each, event.LAST_MESSAGE] = (state.CLOSING, action.NOTHING)
        if each < state.REFUSING:
            table[each, event.REFUSE] = (state.REFUSING, action.NOTHING)
        if each < state.ABORTED:
            table[each, event.ABORT] = (state.ABORTED, action.CANCEL_PENDING)
        table[each, event.DISCONNECTED] = (max(each, state.CLOSING), action.CLOSE)
        table[each, event.LOST] = (state.LOST, action.NOTHING)
    return table


# An event that is not listed for a state changes nothing there.
TRANSITIONS: Final = _transitions()
# The same table by numbers: two tuples are looked up faster than a dict with pairs as keys.
_ROWS: Final = tuple(
    tuple(TRANSITIONS[state, event] for event in ConnectionEvent) for state in ConnectionState
)


# A Struct is constructed without a Python function: a service may get a connection for each request.
class ConnectionLifecycle(Struct, gc=False):
    """The state of one connection.

    :ivar state: changed by :meth:`handle` only.
    """

    state: ConnectionState = ConnectionState.SERVING

    def handle(self, event: ConnectionEvent) -> ConnectionAction:
        """Change the state as the table says.

        :returns: the action that the caller must carry out.
        """
        self.state, action = _ROWS[self.state][event]
        return action
