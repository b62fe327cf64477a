"""All WebSockets of one worker: their number, their pings and time-outs, and the drain."""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from unixsvc.config.http import WebSockets
from unixsvc.config.settings import Limits
from unixsvc.domain.websocket import GOING_AWAY, INTERNAL_FAILURE, POLICY_VIOLATION, WEBSOCKET
from unixsvc.errors import NotFound, ServiceError, Unavailable
from unixsvc.execution.action_driver import RunningAction
from unixsvc.rest.decode import HeaderFacts, decode_path, decode_request
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.headers.cross_origin import CrossOriginRules
from unixsvc.rest.server.interfaces import RequestConnection
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.server.writer import Responder
from unixsvc.rest.websocket.handshake import Handshake, negotiate_deflate, read_handshake
from unixsvc.rest.websocket.protocol import FrameProtocol
from unixsvc.rest.websocket.session import Session
from unixsvc.typing import IHandleMessage

__all__ = ["HandshakeResponses", "WebSocketSessions"]

_CHECK_INTERVAL: Final = 1.0
_METHOD: Final = WEBSOCKET.encode()


class _Watch:
    """Notices a client that is silent, or too slow with a message; from checks at intervals.

    :param now: in seconds.
    """

    __slots__ = ("_heard", "_message", "_message_since", "_messages", "_pinged")

    def __init__(self, now: float) -> None:
        self._heard = self._message_since = now
        self._messages = -1  # the number of messages at the last check during which one was incomplete
        self._message = now  # when the last message had been received
        self._pinged: float | None = None

    def check(self, session: Session, settings: WebSockets, message_timeout: float, now: float) -> None:
        """Send a ping that is due, or close."""
        channel = session.channel
        channel.frames.check_rate()
        if channel.heard or not channel.reading:  # nothing is read while the action does not keep up
            channel.heard = False
            self._heard, self._pinged = now, None
        received = channel.frames.messages
        if received != self._messages:
            self._messages, self._message, self._message_since = received, now, now
        elif not (channel.frames.in_message and channel.reading):
            self._message_since = now
        if now - self._message_since >= message_timeout:
            channel.fail(POLICY_VIOLATION, "a message takes too long")
        elif 0 < settings.idle_timeout <= now - self._message:
            channel.close(GOING_AWAY, "no message for too long")
        elif self._pinged is not None:
            if now - self._pinged >= settings.ping_timeout:
                channel.fail(INTERNAL_FAILURE, "no answer to a ping")
        elif 0 < settings.ping_interval <= now - self._heard:
            self._pinged = now
            channel.ping()


class HandshakeResponses(Struct, frozen=True):
    """What handshakes have in common with other requests.

    :ivar builder: builds the responses to those that are refused.
    :ivar origins: the rules for pages of other origins.
    :ivar expects_token: whether requests that are refused should have had a token.
    """

    builder: ResponseBuilder
    origins: CrossOriginRules
    expects_token: bool


class WebSocketSessions:
    """Opens WebSockets, and watches them.

    :ivar handle: answers requests.
    """

    def __init__(
        self,
        settings: WebSockets,
        limits: Limits,
        handle: IHandleMessage,
        reactor: IReactorTime,
        responses: HandshakeResponses,
    ) -> None:
        self.handle = handle
        self.reactor = reactor
        self._settings = settings
        self._responses = responses
        self._message_timeout = limits.message_timeout
        self._max_message = settings.max_message_bytes or limits.max_message_bytes
        most = min(limits.max_connections, limits.max_inflight)
        self._max_connections = settings.max_connections or (most + 1) // 2
        self._sessions: dict[Session, _Watch] = {}
        self._draining = False
        self._checks = LoopingCall(self._check)
        self._checks.clock = reactor

    def __len__(self) -> int:
        """The number of WebSockets whose action has not ended."""
        return sum(session.running for session in self._sessions)

    def upgrade(
        self, head: Head, connection: RequestConnection, facts: HeaderFacts, meta: dict[str, str]
    ) -> None:
        """Have an action serve a WebSocket; the response is written later.

        :raises unixsvc.errors.ServiceError: if the handshake is not valid, or there are too many WebSockets.
        """
        responses = self._responses
        # Browsers let pages of any origin open WebSockets, and send cookies with them.
        responses.origins.check(_METHOD, facts.headers)
        upgradable = connection.upgradable
        if upgradable is None:
            raise NotFound("this server has no WebSockets")
        handshake = read_handshake(head)
        if self._draining or len(self._sessions) >= self._max_connections:
            raise Unavailable
        target, _, query = head.target.partition(b"?")
        message = decode_request(_METHOD, decode_path(target), query, facts, b"", meta, connection.peer)
        tokenless = facts.token is None and responses.expects_token
        context = ResponseContext(head.method, facts, message.request_id, tokenless)
        responder = Responder(connection.writer(head), context, responses.builder)
        self._open(Session(self, upgradable, handshake, message, responder))
        if facts.token is not None and connection.client is not None:
            connection.client.token_shown(message.caller)

    def _open(self, session: Session) -> None:
        self._sessions[session] = _Watch(self.reactor.seconds())
        if not self._checks.running:
            self._checks.start(_CHECK_INTERVAL, now=False)
        session.start()

    def make_frames(self, handshake: Handshake) -> tuple[str, FrameProtocol]:
        """See :class:`~unixsvc.rest.websocket.session.SessionOwner`."""
        if not self._settings.compression:
            return "", FrameProtocol(self._max_message)
        header, extensions = negotiate_deflate(handshake)
        return header, FrameProtocol(self._max_message, extensions)

    def closed(self, session: Session) -> None:
        """See :class:`~unixsvc.rest.websocket.session.SessionOwner`."""
        self._sessions.pop(session, None)
        if not self._sessions and self._checks.running:
            self._checks.stop()

    def calls(self) -> list[RunningAction]:
        """The actions that wait."""
        return [
            session.action for session in self._sessions if session.action is not None and session.running
        ]

    def drain(self) -> None:
        """Ask all clients to connect again, to another worker; open no more."""
        self._draining = True
        for session in list(self._sessions):
            session.drain()

    def abort(self, reason: ServiceError) -> None:
        """Cancel all actions."""
        self._draining = True
        for session in list(self._sessions):
            session.cancel(reason)

    def _check(self) -> None:
        now = self.reactor.seconds()
        for session, watch in list(self._sessions.items()):
            if session.channel.accepted and session.channel.closed is None:
                watch.check(session, self._settings, self._message_timeout, now)
