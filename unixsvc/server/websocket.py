"""WebSockets over connections of the wire protocol: the service behind a mount."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from msgspec import Raw, Struct
from twisted.internet.defer import Deferred

from unixsvc.domain.websocket import ABNORMAL, SERVICE_RESTART, Close, Message
from unixsvc.errors import Malformed, ServiceError
from unixsvc.execution.action_driver import RunningAction
from unixsvc.execution.inbox import Inbox
from unixsvc.wire.messages import ClientMessage
from unixsvc.wire.websockets import (
    SUBPROTOCOLS,
    Accepted,
    WebSocketItem,
    decode_client_item,
    encode_item,
    encode_message,
)

__all__ = ["SocketChannel"]

# How many messages a client may send before the action has taken any.
_WINDOW: Final = 16
_TOO_MANY: Final = [{"field": "item", "message": "is more than the credit allows"}]


class _Unsent(Struct, eq=False):
    """A message that waits for the client to grant credit, or to take earlier ones."""

    item: bytes
    sent: Deferred[None]


class SocketChannel:
    """The channel of one action (a MessageChannel).

    :param message: the request.
    :param send: sends an item of the stream, as JSON.
    :param is_blocked: returns true while the client does not take what is written.
    :ivar action: the action while it is suspended; the owner sets it.
    """

    def __init__(
        self, message: ClientMessage, send: Callable[[bytes], None], is_blocked: Callable[[], bool]
    ) -> None:
        offered = message.meta.get(SUBPROTOCOLS, "")
        self.subprotocols: Sequence[str] = tuple(
            name for each in offered.split(",") if (name := each.strip())
        )
        self.accepted = False
        self.closed: Close | None = None
        self.action: RunningAction | None = None
        self._send_item = send
        self._is_blocked = is_blocked
        self._credit = message.credit or 0
        self._inbox = Inbox()
        self._unsent: deque[_Unsent] = deque()
        self._allowed = _WINDOW  # messages that the client may still send
        self._taken = 0  # messages for which the client has no new credit yet

    # What the action calls.

    def accept(self, subprotocol: str | None, headers: Sequence[tuple[str, str]]) -> None:
        """Complete the handshake."""
        self.accepted = True
        if self.action is not None:
            self.action.lift_time_limit()
        self._send(WebSocketItem(accept=Accepted(subprotocol, tuple(headers))))
        self._send(WebSocketItem(credit=_WINDOW))

    def receive(self) -> Message | Close | Awaitable[Message | Close]:
        """The next message; how the WebSocket was closed if there are no more."""
        found = self._inbox.take(self.closed)
        if isinstance(found, str | bytes):
            self._note_taken()
        return found

    @property
    def writable(self) -> bool:
        """Whether the client takes what it is sent."""
        return self._credit > 0 and not (self._unsent or self._is_blocked())

    def send(self, data: bytes, *, text: bool) -> Awaitable[None] | None:
        """Send a message, when the client has granted credit and taken earlier ones."""
        item = encode_message(data, text=text)
        if self.writable:
            self._credit -= 1
            self._send_item(item)
            return None
        waiting = _Unsent(item, Deferred(lambda _: self._unsent.remove(waiting)))
        self._unsent.append(waiting)
        return waiting.sent

    def close(self, code: int, reason: str) -> None:
        """Tell the client that the WebSocket is closed."""
        if self.closed is None:
            self._send(WebSocketItem(close=Close(code, reason)))
            self._ended(Close(code, reason))

    # What the connection calls.

    def receive_item(self, item: Raw) -> None:
        """The client has sent an item; one that is not valid cancels the action."""
        try:
            decoded = decode_client_item(item)
            message = decoded.message
            if message is not None:
                self._allowed -= 1
                if self._allowed < 0:
                    raise Malformed(_TOO_MANY)
        except Malformed as error:
            self._cancel(error)
            return
        if self.closed is not None:
            return  # it has crossed the close
        if message is not None:
            if self._inbox.put(message):
                self._note_taken()
        elif decoded.close is not None:
            self._ended(decoded.close)

    def grant(self, items: int) -> None:
        """Add credit for more items."""
        self._credit += items
        self.resume()

    def resume(self) -> None:
        """Send what waits, as far as the client takes it."""
        while self._unsent and self._credit > 0 and not self._is_blocked():
            waiting = self._unsent.popleft()
            self._credit -= 1
            self._send_item(waiting.item)
            waiting.sent.callback(None)

    def drain(self) -> None:
        """Ask the client to connect again, to another worker."""
        if self.accepted:
            self.close(SERVICE_RESTART, "service restart")

    def lost(self) -> None:
        """The connection is lost, or the action has ended."""
        self._send_item = _send_nothing
        if self.closed is None:
            self._ended(Close(ABNORMAL))

    def _note_taken(self) -> None:
        self._taken += 1
        if self._taken >= _WINDOW // 2 and self.closed is None:
            self._allowed += self._taken
            self._send(WebSocketItem(credit=self._taken))
            self._taken = 0

    def _ended(self, close: Close) -> None:
        self.closed = close
        self._inbox.end(close)
        unsent, self._unsent = self._unsent, deque()
        for waiting in unsent:
            waiting.sent.callback(None)

    def _cancel(self, error: ServiceError) -> None:
        if self.action is not None:
            self.action.cancel(error)

    def _send(self, item: WebSocketItem) -> None:
        """Send an item that is no message, whatever the credit."""
        self._send_item(encode_item(item))


def _send_nothing(item: bytes) -> None:
    """In place of the connection when it is lost."""
