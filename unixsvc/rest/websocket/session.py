"""The request of one WebSocket: from the handshake to the end of its action."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from twisted.internet.interfaces import IReactorTime

from unixsvc.domain.coroutine import SuspendedCoroutine
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.stream import ReplyStream
from unixsvc.domain.websocket import NORMAL, SERVICE_RESTART, Close, close_for
from unixsvc.errors import Cancelled, MethodNotAllowed, NotFound, ServiceError
from unixsvc.execution.action_driver import RunningAction
from unixsvc.rest.response import EMPTY, Response, encode_response
from unixsvc.rest.server.interfaces import UpgradableConnection
from unixsvc.rest.server.writer import Responder
from unixsvc.rest.websocket.connection import WebSocketConnection
from unixsvc.rest.websocket.handshake import Handshake, response_lines
from unixsvc.rest.websocket.protocol import FrameProtocol
from unixsvc.typing import IHandleMessage

__all__ = ["Session", "SessionOwner"]

_SWITCHING: Final = 101
_NO_WEBSOCKET: Final = "there is no WebSocket at this path"


class SessionOwner(Protocol):
    """What all WebSockets of a worker share."""

    handle: IHandleMessage
    reactor: IReactorTime

    def make_frames(self, handshake: Handshake) -> tuple[str, FrameProtocol]:
        """Negotiate extensions; the header of the response, and what parses the frames."""

    def closed(self, session: Session) -> None:
        """The connection is closed, and the action has ended."""


class Session:
    """One WebSocket.

    :param responder: responds with an HTTP response if the handshake is not accepted.
    :ivar channel: the messages.
    :ivar action: the action, once it waits.
    :ivar running: whether the action has not ended.
    :ivar connected: whether the connection is not lost.
    """

    def __init__(
        self,
        owner: SessionOwner,
        connection: UpgradableConnection,
        handshake: Handshake,
        message: Request,
        responder: Responder,
    ) -> None:
        self._owner = owner
        self._connection = connection
        self._handshake = handshake
        self._message = message
        self._responder = responder
        self.action: RunningAction | None = None
        self._cancel_reason: ServiceError | None = None
        self.channel = WebSocketConnection(connection, self, handshake.subprotocols, owner.reactor)
        self.running = self.connected = True

    def start(self) -> None:
        """Call the action. It has the time-out of any request to accept the handshake."""
        message, owner = self._message, self._owner
        self._responder.writer.on_disconnect(self._disconnected)
        message.own_extras().channel = self.channel
        reply = owner.handle(message)
        if isinstance(reply, SuspendedCoroutine):
            seconds = owner.handle.seconds_for(message)
            action = RunningAction(reply, owner.reactor, seconds, self._action_ended)
            if self.running:
                self.action = action
                if self.channel.accepted:
                    action.lift_time_limit()
        else:
            self._action_ended(reply)

    def drain(self) -> None:
        """Ask the client to connect again, to another worker."""
        if self.channel.accepted:
            self.channel.close(SERVICE_RESTART, "service restart")

    def cancel(self, reason: ServiceError) -> None:
        """Cancel the action."""
        self.drain()
        self._cancel(reason)

    # What the channel calls.

    def accepted(self, subprotocol: str | None, headers: Sequence[tuple[str, str]]) -> FrameProtocol:
        """Send the response to the handshake; return what parses the frames."""
        extensions, frames = self._owner.make_frames(self._handshake)
        lines = response_lines(self._handshake, subprotocol, extensions)
        lines += b"X-Request-Id: %b\r\n" % self._message.request_id.encode()
        for name, value in headers:
            lines += f"{name}: {value}\r\n".encode("latin-1")
        response = encode_response(Response(_SWITCHING, EMPTY, lines), close=False)
        self._connection.upgrade(self.channel, response)
        if self.action is not None:
            self.action.lift_time_limit()
        return frames

    def gone(self) -> None:
        """The client has disconnected: cancel the action."""
        self._cancel(Cancelled())

    def lost(self) -> None:
        """The connection is lost."""
        self.connected = False
        if not self.running:
            self._owner.closed(self)

    def _disconnected(self) -> None:
        """The client has disconnected during the handshake."""
        self.connected = False
        self._cancel(Cancelled())

    def _cancel(self, reason: ServiceError) -> None:
        self._cancel_reason = reason
        if self.action is not None:
            self.action.cancel(reason)

    def _action_ended(self, reply: Reply | ReplyStream) -> None:
        if isinstance(reply, ReplyStream):  # of a mounted service that takes the method for another
            reply = reply.refuse(NotFound(_NO_WEBSOCKET))
        self.running = False
        self.channel.action_ended()
        if self.channel.accepted:
            self._close(reply)
        elif self.connected:
            self._respond(reply)
            self.connected = False
        if not self.connected:
            self._owner.closed(self)

    def _close(self, reply: Reply) -> None:
        if self.channel.closed is not None:
            return
        close = Close(NORMAL)
        if reply.code >= 400:
            close = close_for(reply.code, reply.message, reply.detail)
        self.channel.close(close.code, close.reason)

    def _respond(self, reply: Reply) -> None:
        """Send an ordinary response, as the handshake was not accepted."""
        if reply.code < 400:  # the action has not used the WebSocket
            self.channel.accept(None, ())
            self.channel.close(NORMAL, "")
            return
        if reply.code == MethodNotAllowed.code:
            reply = error_to_reply(NotFound(_NO_WEBSOCKET))
        self._responder.send(reply)
