"""All connections of one service in one process, and what they share."""

from __future__ import annotations

import os
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from unixsvc.config.settings import Limits, Security
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.domain.message import Peer
from unixsvc.errors import Forbidden, ServiceError, Unavailable
from unixsvc.security.peer_rules import PeerRules

__all__ = ["ConnectionRegistry", "RegisteredConnection"]


class RegisteredConnection(Protocol):
    """One connection, as the registry sees it."""

    def check_time(self, now: float, *, wait_for_idle: bool) -> None:
        """Act on time-outs."""

    def drain(self) -> None:
        """Send goaway if the client understands that, and serve it until it disconnects."""

    def abort(self) -> None:
        """Answer pending requests with 503, and close."""


class ConnectionRegistry:
    """Counts connections, refuses those over the limits, and drains all of them.

    :param security: which processes may connect.
    :ivar handle: the use case of all connections.
    :ivar limits: of each connection, and of their number.
    :ivar reactor: for deadlines.
    """

    def __init__(
        self, handle: IHandleMessage, limits: Limits, security: Security, reactor: IReactorTime
    ) -> None:
        self.handle = handle
        self.limits = limits
        self.reactor = reactor
        rules = PeerRules(security.allow_uids, security.allow_gids, os.getpid())
        self._peer_rules = rules if rules else None
        self._connections: set[RegisteredConnection] = set()
        self._drained: Deferred[None] | None = None
        self._draining = False
        self._wait_for_idle = True

    def __len__(self) -> int:
        return len(self._connections)

    def opened(self, connection: RegisteredConnection, peer: Peer) -> ServiceError | None:
        """Add a connection.

        :returns: the error to refuse it with; None to serve it.
        """
        self._connections.add(connection)
        if self._draining:
            # Accepted before the drain, and reported by the event loop only now.
            self.reactor.callLater(0, connection.drain)
        if len(self._connections) > self.limits.max_connections:
            return Unavailable()
        if self._peer_rules is not None and not self._peer_rules.allow(peer):
            return Forbidden("this user may not connect")
        return None

    def closed(self, connection: RegisteredConnection) -> None:
        """Remove a connection that is lost."""
        self._connections.discard(connection)
        if self._drained is not None and not self._connections:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def check_time(self) -> None:
        """Act on the time-outs of all connections."""
        now = self.reactor.seconds()
        for connection in list(self._connections):
            connection.check_time(now, wait_for_idle=self._wait_for_idle)

    def drain(self, *, wait_for_idle: bool) -> Deferred[None]:
        """Ask every client to disconnect, and serve each until it has. It may be called again.

        :param wait_for_idle: wait for idle clients that were sent goaway and stay connected.
        :returns: fires when the last connection is lost.
        """
        self._draining = True
        self._wait_for_idle = wait_for_idle
        for connection in list(self._connections):
            connection.drain()
        if not self._connections:
            return succeed(None)
        if self._drained is None:
            self._drained = Deferred()
        return self._drained

    def abort(self) -> None:
        """Answer pending requests with 503, and close every connection."""
        for connection in list(self._connections):
            connection.abort()
