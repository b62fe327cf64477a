"""Messages of a WebSocket that the action has not taken yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable
from typing import Final

from twisted.internet.defer import Deferred

from unixsvc.domain.websocket import Close, Message

__all__ = ["Inbox"]

# Above one of these, nothing more is read from the client.
_MAX_MESSAGES: Final = 64
_MAX_BYTES: Final = 65_536


class Inbox:
    """The messages between a connection and the one coroutine that receives them.

    :ivar size: the number of bytes, or characters, of the messages.
    """

    __slots__ = ("_messages", "_receiver", "size")

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._receiver: Deferred[Message | Close] | None = None
        self.size = 0

    def __len__(self) -> int:
        """The number of messages."""
        return len(self._messages)

    @property
    def full(self) -> bool:
        """Whether the client has to wait."""
        return self.size >= _MAX_BYTES or len(self._messages) >= _MAX_MESSAGES

    @property
    def low(self) -> bool:
        """Whether the client may go on, once it had to wait."""
        return self.size < _MAX_BYTES // 2 and len(self._messages) < _MAX_MESSAGES // 2

    def put(self, message: Message) -> bool:
        """Add a message; true if it was taken at once."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.callback(message)
            return True
        self._messages.append(message)
        self.size += len(message)
        return False

    def end(self, close: Close) -> bool:
        """Tell the receiver that there are no more messages; false if none waits."""
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            return False
        receiver.callback(close)
        return True

    def take(self, closed: Close | None) -> Message | Close | Awaitable[Message | Close]:
        """The next message, now or later.

        :param closed: how the WebSocket was closed; it is returned when there are no more messages.
        :raises RuntimeError: if another coroutine waits for a message.
        """
        if self._messages:
            message = self._messages.popleft()
            self.size -= len(message)
            return message
        if closed is not None:
            return closed
        if self._receiver is not None:
            raise RuntimeError("another coroutine receives from this WebSocket already")
        self._receiver = Deferred(self._cancelled)
        return self._receiver

    def _cancelled(self, receiver: Deferred[Message | Close]) -> None:
        if self._receiver is receiver:
            self._receiver = None
