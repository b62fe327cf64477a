"""A WebSocket of a service, as its client sees it. Pure: it awaits what the binding's stream awaits."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Protocol

from msgspec import Raw

from unixsvc.domain.websocket import NORMAL, Close, Message
from unixsvc.errors import BadGateway
from unixsvc.wire.websockets import Accepted, WebSocketItem, decode_server_item, encode_item, encode_message

__all__ = ["ItemStream", "RemoteWebSocket", "Waiter"]

_NOT_ACCEPTED: Final = "the service did not accept the WebSocket with its first item"


class ItemStream(Protocol):
    """A stream of items to which items can be sent."""

    @property
    def send_item(self) -> Callable[[bytes], None] | None:
        """Sends an item."""

    def __aiter__(self) -> AsyncIterator[Raw]:
        """Iterate over the items of the service."""

    async def aclose(self) -> None:
        """Cancel the call."""


class Waiter(Protocol):
    """Something that a coroutine awaits, and that is fired once."""

    def __call__(self) -> tuple[Awaitable[object], Callable[[], object]]:
        """Make an awaitable, and the function that ends it."""


class RemoteWebSocket:
    """A WebSocket of a service.

    One coroutine has to receive all the time, as the service grants credit for messages between its own.

    :param stream: of the call, after its first item.
    :param make_waiter: makes an awaitable for a coroutine that waits for credit.
    """

    def __init__(self, stream: ItemStream, make_waiter: Waiter) -> None:
        self._items = aiter(stream)
        self._stream = stream
        self._make_waiter = make_waiter
        self._credit = 0
        self._waiting: deque[Callable[[], object]] = deque()
        self._closed = False

    async def accepted(self) -> Accepted:
        """Return how the service has accepted the handshake.

        :raises BadGateway: if the first item says something else.
        """
        item = decode_server_item(await anext(self._items))
        if item.accept is None:
            raise BadGateway(_NOT_ACCEPTED)
        return item.accept

    async def receive(self) -> Message | Close:
        """Return the next message, or how the service has closed the WebSocket.

        :raises ServiceError: if the action has failed.
        """
        while True:
            try:
                item = decode_server_item(await anext(self._items))
            except StopAsyncIteration:
                self._end()
                return Close(NORMAL)
            if item.credit is not None:
                self._grant(item.credit)
            elif item.close is not None:
                self._end()
                return item.close
            elif (message := item.message) is not None:
                return message

    async def wait_ended(self) -> None:
        """Wait until the action has ended, after the service has closed the WebSocket.

        :raises ServiceError: if the action has failed.
        """
        async for _ in self._items:
            pass  # messages after the close are dropped

    async def send(self, message: Message) -> None:
        """Send a message when the service has granted credit; nothing after the end."""
        while self._credit <= 0 and not self._closed:
            waiter, fire = self._make_waiter()
            self._waiting.append(fire)
            await waiter
        if not self._closed:
            self._credit -= 1
            text = isinstance(message, str)
            self._send(encode_message(message.encode() if isinstance(message, str) else message, text=text))

    def close(self, close: Close) -> None:
        """Tell the service that the WebSocket is closed."""
        if not self._closed:
            self._send(encode_item(WebSocketItem(close=close)))

    async def aclose(self) -> None:
        """Cancel the call, which cancels the action."""
        self._end()
        await self._stream.aclose()

    def _send(self, item: bytes) -> None:
        if self._stream.send_item is not None:
            self._stream.send_item(item)

    def _grant(self, items: int) -> None:
        self._credit += items
        self._wake()

    def _end(self) -> None:
        self._closed = True
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, deque()
        for fire in waiting:
            fire()
