"""WebSockets as actions see them: typed messages in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Self, TypeVar, cast

from unixsvc.domain.message import Request
from unixsvc.domain.reply_head import HeaderFields, check_header
from unixsvc.domain.websocket import (
    ABNORMAL,
    NORMAL,
    UNSUPPORTED_DATA,
    Close,
    Message,
    MessageChannel,
    WebSocketClosed,
    check_close,
)
from unixsvc.errors import Invalid
from unixsvc.routing.websocket.codec import MessageCodec

__all__ = ["WebSocket"]

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class WebSocket(Generic[_In, _Out]):
    """A WebSocket, for the action that serves it.

    ``WebSocket[In, Out]`` receives JSON messages of the type ``In``, and sends those of the type ``Out``;
    ``WebSocket[str, str]`` receives and sends text as it is, ``WebSocket[bytes, bytes]`` binary messages, and
    ``str | bytes`` stands for both.

    The first use accepts the handshake. Until then an error of the action is an ordinary HTTP response.

    :ivar subprotocol: the one that was accepted, if any.
    """

    __slots__ = ("_channel", "_codec", "_request", "subprotocol")

    def __init__(self, channel: MessageChannel, codec: MessageCodec, request: Request) -> None:
        self._channel = channel
        self._codec = codec
        self._request = request
        self.subprotocol: str | None = None

    @property
    def subprotocols(self) -> Sequence[str]:
        """The subprotocols that the client offers, the preferred first."""
        return self._channel.subprotocols

    @property
    def closed(self) -> bool:
        """Whether it is closed, by whichever side."""
        return self._channel.closed is not None

    @property
    def close_code(self) -> int | None:
        """The code with which it was closed; None while it is open."""
        closed = self._channel.closed
        return None if closed is None else closed.code

    @property
    def close_reason(self) -> str:
        """The text that came with the code."""
        closed = self._channel.closed
        return "" if closed is None else closed.reason

    async def accept(self, subprotocol: str | None = None, headers: HeaderFields = ()) -> None:
        """Accept the handshake. The first use does so as well, without a subprotocol.

        :param subprotocol: one of :attr:`subprotocols`, or None.
        :param headers: further headers of the response.
        :raises ValueError: for a subprotocol that the client does not offer, or for headers that cannot be
            part of a response.
        """
        channel = self._channel
        if channel.accepted:
            raise RuntimeError("the WebSocket is accepted already")
        if subprotocol is not None and subprotocol not in channel.subprotocols:
            raise ValueError(f"the client does not offer the subprotocol {subprotocol!r}")
        for name, value in headers:
            check_header(name, value)
        self._require_open()
        self.subprotocol = subprotocol
        channel.accept(subprotocol, [*self._request.reply_headers, *headers])

    async def receive(self) -> _In:
        """Return the next message.

        :raises WebSocketClosed: if it is closed, and all messages have been received.
        :raises Invalid: if the message is not of the type ``In``. An action that does not catch it closes
            the WebSocket with 1007.
        """
        channel = self._channel
        if not channel.accepted:
            await self.accept()
        received = channel.receive()
        message = received if isinstance(received, str | bytes | Close) else await received
        if isinstance(message, Close):
            raise WebSocketClosed(message.code, message.reason)
        return cast(_In, self._decode(message))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> _In:
        """Return the next message; the loop ends when either side has closed the WebSocket."""
        try:
            return await self.receive()
        except WebSocketClosed:
            raise StopAsyncIteration from None

    async def send(self, item: _Out) -> None:
        """Send a message. While the client does not read, this waits.

        :raises WebSocketClosed: if it is closed.
        """
        channel = self._channel
        if not channel.accepted:
            await self.accept()
        self._require_open()
        waiting = channel.send(self._codec.encode(item), text=self._is_text(item))
        if waiting is not None:
            await waiting
            self._require_open()

    def try_send(self, item: _Out) -> bool:
        """Send a message unless the client is slow; return whether it was sent.

        A message for many clients is best sent this way: none of them holds up the others.
        """
        channel = self._channel
        if not channel.accepted or channel.closed is not None or not channel.writable:
            return False
        channel.send(self._codec.encode(item), text=self._is_text(item))
        return True

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close it. An action that returns closes it as well, with 1000.

        :param code: 1000, or 3000 to 4999 for an application's own codes.
        :param reason: a short text for developers, at most 123 bytes.
        :raises ValueError: for another code, or a longer reason.
        """
        check_close(code, reason)
        if not self._channel.accepted:
            await self.accept()
        self._channel.close(code, reason)

    def _is_text(self, item: object) -> bool:
        text = self._codec.text_out
        return isinstance(item, str) if text is None else text

    def _require_open(self) -> None:
        closed = self._channel.closed
        if closed is not None:
            raise WebSocketClosed(closed.code or ABNORMAL, closed.reason)

    def _decode(self, message: Message) -> object:
        text = self._codec.text_in
        if text is not None and isinstance(message, str) is not text:
            expected = "text" if text else "binary"
            self._channel.close(UNSUPPORTED_DATA, f"expected a {expected} message")
            raise Invalid([{"field": "", "message": f"Expected a {expected} message"}])
        return self._codec.decode(message)
