"""All connections of one service in one process, and what they share."""

from __future__ import annotations

import os
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from unixsvc.config.settings import Limits, Security
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.domain.message import Caller
from unixsvc.errors import ServiceError, Unavailable
from unixsvc.security.peer_rules import PeerRules
from unixsvc.server.context import Admission
from unixsvc.transport.interfaces import ServerTransport

__all__ = ["ConnectionRegistry", "RegisteredConnection"]


# Refused connections that may read their reply at the same time. Further ones are aborted: they use file
# descriptors as the others do.
_MAX_REFUSED: Final = 16


class RegisteredConnection(Protocol):
    """One connection, as the registry sees it."""

    transport: ServerTransport

    def check_time(self, now: float, *, wait_for_idle: bool) -> None:
        """Act on time-outs."""

    def drain(self) -> None:
        """Send goaway if the client understands that, and serve it until it disconnects."""

    def abort(self) -> None:
        """Answer pending requests with 503, and close."""


class ConnectionRegistry:
    """Counts connections, refuses those over the limits, and drains all of them.

    :param security: which processes may connect.
    :param admission: decides that instead; None for the rules of ``security``.
    :ivar handle: the use case of all connections.
    :ivar limits: of each connection, and of their number.
    :ivar reactor: for deadlines.
    """

    def __init__(
        self,
        handle: IHandleMessage,
        limits: Limits,
        security: Security,
        reactor: IReactorTime,
        admission: Admission | None = None,
    ) -> None:
        self.handle = handle
        self.limits = limits
        self.reactor = reactor
        rules = PeerRules(security.allow_uids, security.allow_gids, os.getpid())
        self._admission = rules.connect if rules and admission is None else admission
        self._connections: set[RegisteredConnection] = set()
        self._refused: set[RegisteredConnection] = set()
        self._drained: Deferred[None] | None = None
        self._draining = False
        self._wait_for_idle = True

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def crowded(self) -> bool:
        """Whether so many refused connections are open that further ones are to be aborted."""
        return len(self._refused) > _MAX_REFUSED

    def opened(self, connection: RegisteredConnection, caller: Caller) -> ServiceError | None:
        """Add a connection.

        :returns: the error to refuse it with; None to serve it.
        """
        self._connections.add(connection)
        if self._draining:
            # Accepted before the drain, and reported by the event loop only now.
            self.reactor.callLater(0, connection.drain)
        if self._admission is not None:
            refusal = self._admission(caller, connection.transport)
            if refusal is not None:
                return self._refuse(connection, refusal)
        if len(self._connections) - len(self._refused) > self.limits.max_connections:
            return self._refuse(connection, Unavailable())
        return None

    def closed(self, connection: RegisteredConnection) -> None:
        """Remove a connection that is lost."""
        self._connections.discard(connection)
        if self._refused:
            self._refused.discard(connection)
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

    def _refuse(self, connection: RegisteredConnection, error: ServiceError) -> ServiceError:
        # It lingers until its client has read the reply, and must not use up what the others may have.
        self._refused.add(connection)
        return error
