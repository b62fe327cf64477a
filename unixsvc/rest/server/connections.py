"""All HTTP connections of one service in one process: their number, time-outs and end."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.task import LoopingCall

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits
from unixsvc.domain.body_spec import BodySpec
from unixsvc.domain.handle_message import error_to_reply
from unixsvc.domain.message import Peer, Request
from unixsvc.errors import Malformed, ServiceError, Unavailable
from unixsvc.rest.decode import decode_path
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.response import encode_response
from unixsvc.rest.server.parser import RequestParser
from unixsvc.rest.server.refused_request import line_of
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.server.timeouts import ConnectionPhase
from unixsvc.rest.server.usual_head import UsualHeads
from unixsvc.security.buffer_budget import BufferBudget
from unixsvc.security.connection_quota import ConnectionQuota
from unixsvc.security.waiting_requests import Wait
from unixsvc.telemetry.connection_log import ConnectionLog
from unixsvc.transport.peer import peer_of
from unixsvc.transport.traffic import Traffic
from unixsvc.transport.unsent_replies import UnsentReplies

__all__ = ["HttpConnection", "HttpConnections"]

# After an error response the client may still be sending: its bytes are read and dropped for this time, in
# seconds, as a close would reset the connection and the response could be lost.
_LINGER: Final = 2.0
# The time for the first request of a new connection while the worker drains and has no successor, in seconds.
_NEW_CONNECTION: Final = 0.5
# The time that idle connections stay open while the worker drains and has a successor, in seconds: a request
# that is on its way would be lost. A round trip about the Earth takes less.
_IN_TRANSIT: Final = 1.0
# The most connections over the limit that are answered with 503 at a time; further ones are aborted.
_MAX_REFUSED: Final = 64
# Time-outs are checked at a fourth of the shortest, but at least so often, in seconds.
_CHECK_INTERVAL: Final = 1.0
_NO_PEER: Final = Peer()


class HttpConnection(Protocol):
    """The parts of a connection that :class:`HttpConnections` uses."""

    transport: Any  # asyncio's and Twisted's transports have no type in common

    def drain(self, *, close_idle: bool) -> None:
        """Close after the current response; at once if ``close_idle`` is set and there is no request."""

    def close_if_idle(self, *, authenticated: bool) -> bool:
        """Close if no request is processed or has begun; true if it does.

        :param authenticated: whether a request must have shown a valid token, or none may have.
        """

    def refuse(self, error: ServiceError) -> None:
        """Send an error response and close."""

    def abort(self) -> None:
        """Close now."""

    def check_timeout(self, now: float) -> None:
        """Close if the client has used up its time."""


class HttpConnections:
    """The registry of connections, and what they share.

    :param log: logs refused connections.
    :param owner: the uid of the orchestrator.
    :param hold_back: see :class:`~unixsvc.security.buffer_budget.BufferBudget`.
    :param body_spec: finds how a route takes the body, by its method and path; None if all take a short one.
    :param on_refused: as of :class:`~unixsvc.server.context.HandlerContext`.
    :param traffic: counts what is received and sent; None for an object of its own.
    :ivar budget: for what is received of requests, and what waits to be sent.
    :ivar unsent: the latter.
    :ivar usual_heads: parses most heads.
    :ivar draining: whether each connection is closed after its next response.
    """

    def __init__(
        self,
        http: Http,
        limits: Limits,
        reactor: IReactorTime,
        log: ConnectionLog | None = None,
        hold_back: Callable[[Wait | None], object] = bool,
        *,
        owner: int = 0,
        body_spec: Callable[[str, str], BodySpec | None] | None = None,
        on_refused: Callable[[Request, int, int], object] | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self.traffic = Traffic() if traffic is None else traffic
        self.http = http
        self.limits = limits
        self.reactor = reactor
        self._log = log or ConnectionLog("")
        self.budget = BufferBudget(limits, self._log.buffer_exhausted, hold_back)
        self.unsent = UnsentReplies(self.budget)
        self._responses = ResponseBuilder(http)
        self.usual_heads = UsualHeads(http.max_header_bytes)
        self._find_spec = None if body_spec is None else partial(_spec_of, body_spec)
        self._on_refused = on_refused
        self.draining = False
        self._open: dict[HttpConnection, Peer] = {}  # the oldest first
        self._quota = ConnectionQuota(limits, owner) if limits.max_connections_per_user else None
        self._refused: set[HttpConnection] = set()
        self._drained: list[Deferred[None]] = []
        authentication = math.inf if http.token == "off" else limits.authentication_timeout
        self._unauthenticated_idle = limits.idle_timeout
        if http.token == "required":
            self._unauthenticated_idle = min(authentication, limits.idle_timeout)
        self._timeouts = {
            ConnectionPhase.NEW: min(authentication, http.header_timeout),
            ConnectionPhase.IDLE: limits.idle_timeout,
            ConnectionPhase.DRAINING: 0.0,
            ConnectionPhase.HEAD: http.header_timeout,
            ConnectionPhase.BODY: limits.message_timeout,
            ConnectionPhase.RECEIVING: limits.message_timeout,
            ConnectionPhase.PROCESSING: math.inf,  # HandleMessage has a time-out of its own
            ConnectionPhase.SENDING: http.send_timeout,
            ConnectionPhase.CLOSING: http.send_timeout,
            ConnectionPhase.LINGERING: _LINGER,
        }
        self._close_idle = False
        self._checks = LoopingCall(self._check_timeouts)
        self._checks.clock = reactor

    def __len__(self) -> int:
        return len(self._open) + len(self._refused)

    def make_parser(self) -> RequestParser:
        """The parser of a new connection."""
        limits = self.http.max_header_bytes, self.limits.max_message_bytes
        return RequestParser(*limits, self.usual_heads, self._find_spec)

    def drain(self, wait_for_idle: bool) -> Deferred[None]:
        """Close each connection after its current or next response. It may be called again.

        :param wait_for_idle: whether idle connections stay open for another second, and new ones for as long
            as ever; once it was false, it stays so.
        :returns: fires when the last connection is closed.
        """
        self.draining = True
        self._close_idle = self._close_idle or not wait_for_idle
        if self._close_idle:
            self._timeouts[ConnectionPhase.NEW] = min(_NEW_CONNECTION, self.http.header_timeout)
            self._timeouts[ConnectionPhase.DRAINING] = 0.0
        else:
            self._timeouts[ConnectionPhase.DRAINING] = min(_IN_TRANSIT, self.limits.idle_timeout)
        for connection in list(self._open):
            connection.drain(close_idle=self._close_idle)
        if not len(self):
            self._stop_checks()
            return succeed(None)
        if self._checks.running:
            self._checks.stop()
            self._start_checks()
        drained: Deferred[None] = Deferred()
        self._drained.append(drained)
        return drained

    def abort(self) -> None:
        """Close every connection now."""
        for connection in [*self._open, *self._refused]:
            connection.abort()

    def opened(self, connection: HttpConnection) -> None:
        """Add a connection. One that exceeds the limit takes the place of an idle one, or gets 503.

        One that exceeds the limit of its user gets 503 in any case.
        """
        if not self._checks.running:
            self._start_checks()
        peer = _NO_PEER if self._quota is None else _peer_of(connection.transport)
        if (self._quota is None or self._quota_allows(self._quota, peer)) and (
            len(self._open) < self.limits.max_connections or self._make_room()
        ):
            self._open[connection] = peer
            return
        self._refused.add(connection)
        self._log.too_many_connections(peer, len(self._open))
        if len(self._refused) > _MAX_REFUSED:
            connection.abort()
        else:
            connection.refuse(Unavailable())

    def closed(self, connection: HttpConnection) -> None:
        """Remove a connection."""
        if self.unsent.peers and connection.transport in self.unsent.peers:
            # The event loop gives the memory back at the end of this iteration.
            self.reactor.callLater(0, self.unsent.forget, connection.transport)
        peer = self._open.pop(connection, None)
        if peer is not None and self._quota is not None and self._quota.counts_users:
            self._quota.closed(peer, len(self._open))
        self._refused.discard(connection)
        if self._drained and not len(self):
            drained, self._drained = self._drained, []
            self._stop_checks()
            for waiter in drained:
                waiter.callback(None)

    def timeout(self, phase: ConnectionPhase, *, authenticated: bool) -> float:
        """How long a connection may be in a phase, in seconds.

        :param authenticated: a request of the connection has shown a valid token.
        """
        if phase is ConnectionPhase.IDLE and not authenticated:
            return self._unauthenticated_idle
        return self._timeouts[phase]

    def rejection(
        self, error: ServiceError, head: Head | None, received: bytearray, peer: IAddress | None
    ) -> bytes:
        """The response to a request that is rejected before it reaches the gateway.

        :param head: of the request, if it is known.
        :param received: its bytes, if its head is not known.
        :param peer: the client.
        """
        method, fields = (b"", {}) if head is None else (head.method, head.fields)
        facts = self._responses.read_headers(fields)
        message = Request(*line_of(head, received), meta=facts.meta, headers=fields, peer_address=peer)
        context = ResponseContext(method, facts, message.request_id)
        response = self._responses.from_reply(error_to_reply(error), context)
        # A connection that is refused before its first byte is no request: it is logged as a connection.
        if self._on_refused is not None and (head is not None or received):
            self._on_refused(message, response.code, len(response.body))
        return encode_response(response, close=True)

    def _quota_allows(self, quota: ConnectionQuota, peer: Peer) -> bool:
        count = len(self._open)
        # Over TCP there are no users.
        return peer.uid is None or count < quota.unlimited or quota.allows(peer, self._open.values(), count)

    def _make_room(self) -> bool:
        """Close the oldest idle connection, if possible of a client without a token: clients expect that."""
        return any(
            connection.close_if_idle(authenticated=authenticated)
            for authenticated in (False, True)
            for connection in self._open
        )

    def _start_checks(self) -> None:
        interval = min(_CHECK_INTERVAL, *(seconds / 4 for seconds in self._timeouts.values() if seconds))
        self._checks.start(interval, now=False)

    def _stop_checks(self) -> None:
        if self._checks.running:
            self._checks.stop()

    def _check_timeouts(self) -> None:
        if not len(self):
            self._stop_checks()
            return
        now = self.reactor.seconds()
        for connection in [*self._open, *self._refused]:
            connection.check_timeout(now)
        self.budget.check(now)


def _spec_of(body_spec: Callable[[str, str], BodySpec | None], head: Head) -> BodySpec | None:
    try:
        path = decode_path(head.target.partition(b"?")[0])
    except Malformed:  # the gateway refuses it
        return None
    return body_spec(head.method.decode("latin-1"), path)


def _peer_of(transport: Any) -> Peer:
    return peer_of(transport) if isinstance(transport.getHost(), UNIXAddress) else _NO_PEER
