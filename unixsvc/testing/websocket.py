"""The client's side of a WebSocket, in memory."""

from __future__ import annotations

import base64
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import msgspec
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.python.failure import Failure

from unixsvc.domain.json import Json
from unixsvc.domain.websocket import ABNORMAL, Close, Message, WebSocketClosed
from unixsvc.errors import ServiceError, error_from
from unixsvc.testing.call import Call, CallLoop
from unixsvc.testing.http_response import HttpResponse
from unixsvc.testing.memory import MemoryEndpoint, MemoryTransport

__all__ = ["MemoryWebSocket", "handshake_headers"]

_T = TypeVar("_T")
_SWITCHING: Final = 101


def handshake_headers(subprotocols: Sequence[str], headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a handshake.

    :param headers: further ones, which replace those of the same name.
    """
    found = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
    }
    if subprotocols:
        found["Sec-WebSocket-Protocol"] = ", ".join(subprotocols)
    return found | {**headers}


class _ClientTransport(MemoryTransport):
    """What the server writes to."""

    def __init__(self, received: Callable[[bytes], object], lost: Callable[[], object]) -> None:
        super().__init__()
        self._received = received
        self._lost = lost

    def write(self, data: bytes) -> None:
        super().write(data)
        self._received(data)

    def loseConnection(self) -> None:
        super().loseConnection()
        self._lost()

    def abortConnection(self) -> None:
        super().abortConnection()
        self._lost()

    def loseWriteConnection(self) -> None:
        super().loseWriteConnection()
        self._lost()


class MemoryWebSocket:
    """The client's side of a WebSocket of an application in memory.

    :param loop: of a fixture, for tests that run on no event loop.
    :ivar messages: those that were received and not taken yet: ``str`` or ``bytes``.
    :ivar closed: how it was closed, by whichever side; None while it is open.
    """

    def __init__(self, loop: CallLoop | None) -> None:
        # Late: the package is an extra.
        from websockets.protocol import Protocol, Side

        self.messages: deque[Message] = deque()
        self.closed: Close | None = None
        self._loop = loop
        self._frames = Protocol(Side.CLIENT, max_size=None)
        self._head = b""
        self._accepted = False
        self._protocol: IProtocol | None = None
        self._waiting: deque[tuple[Call[Any], type]] = deque()
        self._transport = _ClientTransport(self._data_received, self._connection_lost)

    @property
    def response(self) -> HttpResponse:
        """The response to the handshake."""
        return HttpResponse(self._head, "GET")

    @property
    def accepted(self) -> bool:
        """Whether the server has accepted the handshake."""
        return self._accepted

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server has chosen."""
        return self.response.headers.get("Sec-WebSocket-Protocol")

    @property
    def error(self) -> ServiceError | None:
        """The error of a handshake that was refused; None if there is none."""
        if self._accepted or not self._head:
            return None
        problem = cast(dict[str, Any], self.response.json())
        return error_from(self.response.status_code, problem.get("detail"), str(problem.get("title", "")))

    def send(self, item: object) -> None:
        """Send a message: a ``str`` as text, ``bytes`` as binary, any other value as JSON.

        :raises WebSocketClosed: if it is closed.
        """
        if self.closed is not None or not self._accepted:
            raise self._closed_error()
        if isinstance(item, bytes):
            self._frames.send_binary(item)
        else:
            self._frames.send_text(item.encode() if isinstance(item, str) else msgspec.json.encode(item))
        self._run(self._flush)

    def receive(self, type: type[_T] | Any = Json) -> Call[_T]:
        """Take the next message.

        :param type: ``str`` or ``bytes`` for the message as it is; else JSON is decoded as this type.
        :returns: fires with the message; fails with :class:`unixsvc.WebSocketClosed` if there are no more.
        """
        call: Call[Any] = Call(lambda _: self._forget(call))
        call.loop = self._loop
        if self.messages:
            call.callback(_decoded(self.messages.popleft(), type))
        elif self.closed is not None or (self._head and not self._accepted):
            call.errback(self.error or self._closed_error())
        else:
            self._waiting.append((call, type))
        return call

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping."""
        self._frames.send_ping(payload)
        self._run(self._flush)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send a Close frame, which the server answers."""
        if self.closed is None and self._accepted:
            self._frames.send_close(code, reason)
            self._run(self._flush)

    def disconnect(self) -> None:
        """Lose the connection, which cancels the action."""
        self._run(self._connection_lost)

    def pause(self, paused: bool = True) -> None:
        """Stop to read, or read on: the server sees a full write buffer."""
        producer = self._transport.producer
        if producer is not None:
            self._run(producer.pauseProducing if paused else producer.resumeProducing)

    @property
    def reading(self) -> bool:
        """Whether the server reads; it stops while the action does not take messages."""
        return self._transport.reading

    def open(self, endpoint: MemoryEndpoint, handshake: bytes) -> None:
        """Send the handshake."""
        self._protocol = endpoint.accept(self._transport)
        self._protocol.dataReceived(handshake)

    def _run(self, function: Callable[[], None]) -> None:
        if self._loop is None:
            function()
        else:
            self._loop.run(function)

    def _flush(self) -> None:
        data = b"".join(self._frames.data_to_send())
        if data and self._protocol is not None:
            self._protocol.dataReceived(data)

    def _data_received(self, data: bytes) -> None:
        if not self._accepted:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end or self.response.status_code != _SWITCHING:
                return
            self._head, self._accepted = head + end, True
        if data:
            self._frames.receive_data(data)
            self._take_frames()
            self._flush()

    def _take_frames(self) -> None:
        from websockets.frames import Frame, Opcode

        for frame in cast(list[Frame], self._frames.events_received()):
            if frame.opcode is Opcode.TEXT:
                self._put(bytes(frame.data).decode())
            elif frame.opcode is Opcode.BINARY:
                self._put(bytes(frame.data))
            elif frame.opcode is Opcode.CLOSE:
                received = self._frames.close_rcvd
                self._end(Close(ABNORMAL) if received is None else Close(int(received.code), received.reason))

    def _put(self, message: Message) -> None:
        if self._waiting:
            call, expected = self._waiting.popleft()
            call.callback(_decoded(message, expected))
        else:
            self.messages.append(message)

    def _connection_lost(self) -> None:
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connectionLost(Failure(ConnectionDone()))
            self._end(Close(ABNORMAL))

    def _end(self, close: Close) -> None:
        if self.closed is None:
            self.closed = close
        waiting, self._waiting = self._waiting, deque()
        for call, _ in waiting:
            call.errback(self.error or self._closed_error())

    def _closed_error(self) -> WebSocketClosed:
        closed = self.closed or Close(ABNORMAL)
        return WebSocketClosed(closed.code, closed.reason)

    def _forget(self, call: Call[Any]) -> None:
        self._waiting = deque(each for each in self._waiting if each[0] is not call)


def _decoded(message: Message, type: Any) -> Any:
    return message if type in (str, bytes) else msgspec.json.decode(message, type=type)
