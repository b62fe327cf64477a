"""WebSockets, independent of the transport: messages in both directions, and how they end."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Final, Protocol, TypeAlias

from msgspec import Struct

from unixsvc.errors import Cancelled

__all__ = [
    "ABNORMAL",
    "GOING_AWAY",
    "INTERNAL_FAILURE",
    "INVALID_DATA",
    "NORMAL",
    "NO_CODE",
    "POLICY_VIOLATION",
    "SERVICE_RESTART",
    "TOO_BIG",
    "TRY_AGAIN_LATER",
    "UNSUPPORTED_DATA",
    "WEBSOCKET",
    "Close",
    "Message",
    "MessageChannel",
    "WebSocketClosed",
    "check_close",
    "close_for",
]

WEBSOCKET: Final = "WEBSOCKET"
"""The method of routes for WebSockets. HTTP clients ask for them with GET and ``Upgrade: websocket``."""

Message: TypeAlias = str | bytes
"""A text message or a binary message."""

# RFC 6455, section 7.4, and https://www.iana.org/assignments/websocket/
NORMAL: Final = 1000
GOING_AWAY: Final = 1001
UNSUPPORTED_DATA: Final = 1003
NO_CODE: Final = 1005
ABNORMAL: Final = 1006
INVALID_DATA: Final = 1007
POLICY_VIOLATION: Final = 1008
TOO_BIG: Final = 1009
INTERNAL_FAILURE: Final = 1011
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013

_SENT: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})
_MAX_REASON: Final = 123  # bytes: a control frame has at most 125
_BY_STATUS: Final = {400: INVALID_DATA, 422: INVALID_DATA, 413: TOO_BIG, 429: TRY_AGAIN_LATER}


class Close(Struct, frozen=True):
    """How a WebSocket was closed.

    :ivar code: 1005 if the peer gave none, 1006 if the connection was lost.
    :ivar reason: a short text for developers.
    """

    code: int
    reason: str = ""


class WebSocketClosed(Cancelled, message="WebSocket closed"):
    """The WebSocket is closed, so that nothing can be received or sent.

    :ivar close_code: why; 1005 if the client gave no code, 1006 if the connection was lost.
    :ivar reason: the text that came with the code.
    """

    def __init__(self, close_code: int = ABNORMAL, reason: str = "") -> None:
        super().__init__()
        self.close_code = close_code
        self.reason = reason


class MessageChannel(Protocol):
    """The messages between an action and one client.

    :ivar subprotocols: those that the client offers, the preferred first.
    :ivar accepted: whether the handshake is complete.
    :ivar closed: how it was closed, by whichever side; None while it is open.
    """

    subprotocols: Sequence[str]
    accepted: bool
    closed: Close | None

    def accept(self, subprotocol: str | None, headers: Sequence[tuple[str, str]]) -> None:
        """Complete the handshake.

        :param subprotocol: one of those that the client offers, or None.
        :param headers: of the response, which have been checked.
        """

    def receive(self) -> Message | Close | Awaitable[Message | Close]:
        """Return the next message, now or later; how the WebSocket was closed if there are no more."""

    @property
    def writable(self) -> bool:
        """Whether the peer takes what it is sent."""

    def send(self, data: bytes, *, text: bool) -> Awaitable[None] | None:
        """Send a message, if the channel is open.

        :param text: whether the data is a text message, in UTF-8.
        :returns: an awaitable if it is sent when the peer has taken earlier ones; None if it is sent.
        """

    def close(self, code: int, reason: str) -> None:
        """Close, with a code and a reason that :func:`check_close` has accepted."""


def check_close(code: int, reason: str) -> None:
    """Require that a Close frame can have a code and a reason.

    :raises ValueError: if not.
    """
    if code not in _SENT:
        raise ValueError(f"{code} is no code that a WebSocket can be closed with; use 1000, or 3000 to 4999")
    if len(reason.encode()) > _MAX_REASON:
        raise ValueError(f"the reason of a close has at most {_MAX_REASON} bytes")


def close_for(code: int, message: str, detail: object = None) -> Close:
    """Return the close for an action that failed with an error reply.

    :param code: of the reply.
    :param message: of the reply.
    :param detail: of the reply; of an error of validation, the first problem is the reason.
    """
    if code == 503:
        return Close(TRY_AGAIN_LATER, message)
    if code >= 500:
        return Close(INTERNAL_FAILURE, message)
    reason = f"{code} {message}"
    problem = detail[0] if isinstance(detail, list | tuple) and detail else detail
    if isinstance(problem, dict) and "message" in problem:
        reason = f"{problem.get('field') or 'message'}: {problem['message']}"
    elif isinstance(problem, str):
        reason = problem
    short = reason.encode()[:_MAX_REASON].decode(errors="ignore")
    return Close(_BY_STATUS.get(code, POLICY_VIOLATION), short)
