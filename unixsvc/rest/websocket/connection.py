"""One WebSocket on a connection of the HTTP server, with flow control in both directions."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol

from msgspec import Struct
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from unixsvc.domain.reply_head import HeaderFields
from unixsvc.domain.websocket import ABNORMAL, Close, Message
from unixsvc.execution.inbox import Inbox
from unixsvc.rest.server.interfaces import UpgradableConnection
from unixsvc.rest.websocket.protocol import FrameProtocol
from unixsvc.security.buffer_budget import MIN_COUNTED
from unixsvc.transport.unsent_replies import LARGE_REPLY

__all__ = ["ChannelOwner", "WebSocketConnection"]

# So many bytes are parsed at a time: a read of the kernel's buffer may have 40,000 frames, which would hold
# up all other connections. Answers to pings are written after each piece.
_PIECE: Final = 16_384
# The time for the client to answer a Close frame, and for the action to notice that the client has closed; in
# seconds.
_CLOSE_TIMEOUT: Final = 10.0


class ChannelOwner(Protocol):
    """The request that a WebSocket belongs to."""

    def accepted(self, subprotocol: str | None, headers: Sequence[tuple[str, str]]) -> FrameProtocol:
        """Send the response to the handshake; return what parses the frames."""

    def gone(self) -> None:
        """The client has disconnected: cancel the action."""

    def lost(self) -> None:
        """The connection is lost."""


class _Unsent(Struct, eq=False):
    """A message that waits for the client to take earlier ones."""

    data: bytes
    text: bool
    sent: Deferred[None]


class WebSocketConnection:
    """The channel of one action (a MessageChannel), over a connection of the HTTP server.

    :param connection: the connection; it passes on what it receives once the handshake is accepted.
    :param owner: the request.
    :ivar subprotocols: those that the client offers.
    :ivar accepted: whether the handshake is complete.
    :ivar closed: how the WebSocket was closed; None while it is open.
    :ivar heard: whether anything was received since the last check.
    """

    __slots__ = (
        "_answer_timer",
        "_behind",
        "_connection",
        "_inbox",
        "_lost",
        "_notice_timer",
        "_owner",
        "_parsing",
        "_reactor",
        "_unparsed",
        "_unsent",
        "accepted",
        "closed",
        "frames",
        "heard",
        "subprotocols",
    )

    frames: FrameProtocol

    def __init__(
        self,
        connection: UpgradableConnection,
        owner: ChannelOwner,
        subprotocols: Sequence[str],
        reactor: IReactorTime,
    ) -> None:
        self._connection = connection
        self._owner = owner
        self._reactor = reactor
        self.subprotocols = subprotocols
        self.accepted = False
        self.closed: Close | None = None
        self.heard = False
        self._inbox = Inbox()
        self._unparsed = bytearray()  # behind a full inbox
        self._unsent: deque[_Unsent] = deque()
        self._parsing = False
        self._behind = False  # messages or bytes wait for the action
        self._lost = False
        self._answer_timer: IDelayedCall | None = None  # for the client to answer a Close frame
        self._notice_timer: IDelayedCall | None = None  # for the action to notice that the client has closed

    # What the action calls.

    def accept(self, subprotocol: str | None, headers: HeaderFields | Sequence[tuple[str, str]]) -> None:
        """Complete the handshake."""
        self.accepted = True
        self.frames = self._owner.accepted(subprotocol, headers)

    def receive(self) -> Message | Close | Awaitable[Message | Close]:
        """The next message; how the WebSocket was closed if there are no more."""
        found = self._inbox.take(self.closed)
        if self._behind and not self._parsing and self._inbox.low:
            self._parse()
        return found

    @property
    def writable(self) -> bool:
        """Whether the client takes what it is sent."""
        return not (self._unsent or self._connection.write_paused)

    def send(self, data: bytes, *, text: bool) -> Awaitable[None] | None:
        """Send a message, when the client has taken earlier ones."""
        if self._unsent or self._connection.write_paused:
            waiting = _Unsent(data, text, Deferred(lambda _: self._unsent.remove(waiting)))
            self._unsent.append(waiting)
            return waiting.sent
        self._send(data, text=text)
        return None

    def close(self, code: int, reason: str) -> None:
        """Send a Close frame; the connection ends when the client has answered it, or after a time."""
        if self.closed is None:
            self.closed = Close(code, reason)
            self.frames.close(code, reason)
            self._flush()
            self._ended(self.closed)

    # What the connection calls.

    @property
    def reading(self) -> bool:
        """Whether further bytes can be used soon (flow control)."""
        return not (self._unparsed or self._inbox.full or self._connection.write_paused)

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the client."""
        self.heard = True
        self._unparsed += data
        if not self._parsing:
            self._parse()

    def pauseProducing(self) -> None:
        """The transport's write buffer is full."""
        self._connection.update_reading()

    def resumeProducing(self) -> None:
        """The transport's write buffer has drained."""
        while self._unsent and not self._connection.write_paused:
            waiting = self._unsent.popleft()
            self._send(waiting.data, text=waiting.text)
            waiting.sent.callback(None)
        if not self._parsing:
            self._parse()

    def connectionLost(self, reason: Failure) -> None:
        """The client is disconnected."""
        self._lost = True
        self._unparsed.clear()
        if self.closed is None:
            self._ended(Close(ABNORMAL), gone=True)
        _stop(self._answer_timer)
        self._owner.lost()

    # What the request and the checks call.

    def fail(self, code: int, reason: str) -> None:
        """Close at once: the client has violated the protocol or a limit, or does not answer."""
        if not self._lost:
            self.frames.fail(code, reason)
            self._flush()
            if self.closed is None:
                self._ended(Close(code, reason), gone=True)
            self._connection.loseConnection()

    def abort(self) -> None:
        """Close now."""
        if not self._lost:
            self._connection.abort()

    def ping(self) -> None:
        """Send a ping."""
        if not self._lost:
            self.frames.ping()
            self._flush()

    def action_ended(self) -> None:
        """The action has ended: nothing has to notice the end any more."""
        _stop(self._notice_timer)

    def _parse(self) -> None:
        """Parse what was received, as far as the action and the client keep up."""
        self._parsing = True
        try:
            while self._unparsed and not self._lost and not self.frames.finished:
                if self._inbox.full or self._connection.write_paused:
                    break
                piece = bytes(self._unparsed[:_PIECE])
                del self._unparsed[:_PIECE]
                self._take(piece)
        finally:
            self._parsing = False
        if not self._lost:
            if self.frames.finished:
                self._unparsed.clear()
            self._count()
            self._behind = bool(self._inbox or self._unparsed)
            self._connection.update_reading()

    def _take(self, piece: bytes) -> None:
        messages = self.frames.receive(piece)
        self._flush()
        for message in messages:
            if self.closed is None:  # what the client sends after a close of the server is dropped
                self._inbox.put(message)
        if self.frames.finished and self.closed is None:
            close = self.frames.received
            if close is None:
                self._ended(self.frames.sent or Close(ABNORMAL), gone=True)
            else:
                self._ended(close, by_client=True)
        if self.frames.finished and not self._lost:
            self._connection.loseConnection()

    def _ended(self, close: Close, *, gone: bool = False, by_client: bool = False) -> None:
        """The WebSocket is closed.

        :param gone: whether the client has disconnected without a Close frame; then the action is cancelled.
        :param by_client: whether the client has closed it; then the action has some time to notice.
        """
        self.closed = close
        if gone:
            self._owner.gone()
        noticed = self._inbox.end(close)
        unsent, self._unsent = self._unsent, deque()
        for waiting in unsent:
            waiting.sent.callback(None)
        if by_client and not noticed:
            self._notice_timer = self._reactor.callLater(_CLOSE_TIMEOUT, self._owner.gone)
        elif not self._lost and not self.frames.finished:
            self._answer_timer = self._reactor.callLater(_CLOSE_TIMEOUT, self.abort)

    def _send(self, data: bytes, *, text: bool) -> None:
        if self.closed is None and (len(data) <= LARGE_REPLY or self._connection.may_send(len(data))):
            self.frames.send(data, text=text)
            self._flush()

    def _flush(self) -> None:
        output = self.frames.output()
        if output and not self._lost:
            self._connection.write(output)

    def _count(self) -> None:
        """Count what is held for the client."""
        client, size = self._connection.client, len(self._unparsed) + self._inbox.size + self.frames.held
        if size >= MIN_COUNTED or client.body:
            client.body = size
            client.update()


def _stop(timer: IDelayedCall | None) -> None:
    if timer is not None and timer.active():
        timer.cancel()
