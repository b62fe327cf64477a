"""The frames of one WebSocket, with limits. Pure.

The Sans-I/O layer of the library ``websockets`` parses and writes the frames. This module joins fragments to
messages and adds the limits that the library leaves to its users.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from websockets.extensions import Extension
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from unixsvc.domain.websocket import (
    ABNORMAL,
    INVALID_DATA,
    NO_CODE,
    POLICY_VIOLATION,
    Close,
    Message,
)
from unixsvc.rest.websocket.library import ServerFrames

__all__ = ["MAX_CONTROLS", "FrameProtocol"]

MAX_CONTROLS: Final = 100
"""The most pings and pongs that a client may send between two checks, which are a second apart."""

# A message may have a number of fragments, and one more for each 64 bytes. Without this, a client could send
# empty fragments for ever, which cost time and never make a message.
_MAX_FRAGMENTS: Final = 128
_FRAGMENT: Final = 64
_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class FrameProtocol:
    """The server's side of one WebSocket, after the handshake.

    :param max_message: the largest message, in bytes, after decompression.
    :param extensions: those that were negotiated.
    :ivar received: how the client has closed the WebSocket; None if it has not.
    :ivar sent: how the server has; the code of the client is sent back to it.
    :ivar messages: the number of messages that were received.
    :ivar finished: whether the connection is to be closed when all is sent.
    """

    __slots__ = ("_controls", "_fragments", "_parts", "_protocol", "_size", "_text", "finished", "messages")

    def __init__(self, max_message: int, extensions: Sequence[Extension] = ()) -> None:
        self._protocol = ServerFrames(max_message, extensions)
        self._parts: list[bytes] = []  # of a message that is not complete
        self._size = self._fragments = self._controls = 0
        self._text = False
        self.messages = 0
        self.finished = False

    @property
    def open(self) -> bool:
        """Whether neither side has closed it."""
        return self._protocol.state is State.OPEN

    @property
    def received(self) -> Close | None:
        """How the client has closed it."""
        close = self._protocol.close_rcvd
        return None if close is None else Close(int(close.code), close.reason)

    @property
    def sent(self) -> Close | None:
        """How the server has closed it."""
        close = self._protocol.close_sent
        return None if close is None else Close(int(close.code), close.reason)

    @property
    def failed(self) -> bool:
        """Whether the client has violated the protocol or a limit."""
        return self.finished and self._protocol.close_rcvd is None

    @property
    def held(self) -> int:
        """The number of bytes of a message that is not complete."""
        return self._size + self._protocol.buffered

    @property
    def in_message(self) -> bool:
        """Whether a message has begun that is not complete."""
        return bool(self._fragments or self._protocol.buffered)

    def receive(self, data: bytes) -> list[Message]:
        """Parse bytes of the client; return the messages that are complete. Answers are in :meth:`output`."""
        protocol = self._protocol
        protocol.receive_data(data)
        messages: list[Message] = []
        for frame in cast(
            list[Frame], protocol.events_received()
        ):  # after the handshake, there are no others
            if self.failed:
                break
            if frame.opcode in _DATA:
                self._add(frame.opcode, bytes(frame.data), fin=frame.fin, messages=messages)
            elif frame.opcode is not Opcode.CLOSE:
                self._controls += 1
                if self._controls > MAX_CONTROLS:
                    self.fail(POLICY_VIOLATION, "too many control frames")
        return messages

    def check_rate(self) -> None:
        """Allow the client further control frames; to be called once a second."""
        self._controls = 0

    def send(self, data: bytes, *, text: bool) -> None:
        """Send a message, if neither side has closed."""
        if self.open:
            (self._protocol.send_text if text else self._protocol.send_binary)(data)

    def ping(self) -> None:
        """Send a ping, if neither side has closed."""
        if self.open:
            self._protocol.send_ping(b"")

    def close(self, code: int, reason: str) -> None:
        """Send a Close frame, if neither side has; the client answers it."""
        if self.open:
            if code in (NO_CODE, ABNORMAL):
                self._protocol.send_close()
            else:
                self._protocol.send_close(code, reason)

    def fail(self, code: int, reason: str) -> None:
        """Send a Close frame, and ignore what the client still sends."""
        if not self.finished:
            self._drop()
            self._protocol.fail(code, reason)

    def output(self) -> bytes:
        """The bytes to send."""
        writes = self._protocol.data_to_send()
        if b"" in writes:  # the library's mark for the end
            self.finished = True
            self._drop()
        return writes[0] if len(writes) == 1 else b"".join(writes)

    def _add(self, opcode: Opcode, data: bytes, *, fin: bool, messages: list[Message]) -> None:
        """Add a frame to the message that it belongs to."""
        if opcode is not Opcode.CONT:
            self._text = opcode is Opcode.TEXT
            if fin:
                self._complete(data, messages)
                return
        self._fragments += 1
        self._size += len(data)
        if self._fragments > _MAX_FRAGMENTS + self._size // _FRAGMENT:
            self.fail(POLICY_VIOLATION, "too many small fragments")
            return
        self._parts.append(data)
        if fin:
            data = b"".join(self._parts)
            self._drop()
            self._complete(data, messages)

    def _complete(self, data: bytes, messages: list[Message]) -> None:
        self.messages += 1
        if not self._text:
            messages.append(data)
            return
        try:
            messages.append(data.decode())
        except UnicodeDecodeError:
            self.fail(INVALID_DATA, "text is not UTF-8")

    def _drop(self) -> None:
        self._parts.clear()
        self._size = self._fragments = 0
