"""All the connections of one service in one process, and what they share."""

from __future__ import annotations

import os
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from unixsvc.config.settings import Limits, Security
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.domain.message import Peer
from unixsvc.errors import Forbidden, ServiceError, Unavailable

__all__ = ["ConnectionRegistry", "RegisteredConnection"]


class RegisteredConnection(Protocol):
    """One connection, as all of them together are dealt with."""

    def check_time(self, now: float, *, wait_for_idle: bool) -> None:
        """Close the connection if its client has used up its time."""

    def drain(self) -> None:
        """Have the client go, and serve it until it has gone."""

    def abort(self) -> None:
        """Answer what is unanswered with 503, and close."""


class ConnectionRegistry:
    """Knows who is connected, and decides who may be.

    :ivar reactor: for deadlines.
    """

    def __init__(
        self, handle: IHandleMessage, limits: Limits, security: Security, reactor: IReactorTime
    ) -> None:
        self.handle = handle
        self.limits = limits
        self.reactor = reactor
        self._security = security
        self._limited = bool(security.allow_uids or security.allow_gids)
        self._clients: set[RegisteredConnection] = set()
        self._gone: Deferred[None] | None = None
        self._leaving = False
        self._wait_for_idle = True

    def __len__(self) -> int:
        return len(self._clients)

    def opened(self, client: RegisteredConnection, peer: Peer) -> ServiceError | None:
        """Note a new connection.

        :returns: why it is not wanted, if it isn't.
        """
        self._clients.add(client)
        if self._leaving:
            # Accepted before, and told to us only now.
            self.reactor.callLater(0, client.drain)
        if len(self._clients) > self.limits.max_connections:
            return Unavailable()
        if self._limited and not self._allowed(peer):
            return Forbidden("this user may not connect")
        return None

    def closed(self, client: RegisteredConnection) -> None:
        """Note that a connection is gone."""
        self._clients.discard(client)
        if self._gone is not None and not self._clients:
            gone, self._gone = self._gone, None
            gone.callback(None)

    def check_time(self) -> None:
        """Close the connections whose clients have used up their time."""
        now = self.reactor.seconds()
        for each in list(self._clients):
            each.check_time(now, wait_for_idle=self._wait_for_idle)

    def drain(self, *, wait_for_idle: bool) -> Deferred[None]:
        """Have every client go, and serve each until it has gone.

        :param wait_for_idle: wait for idle clients that were sent goaway and stay connected.
        :returns: fires when the last is gone.
        """
        self._leaving = True
        self._wait_for_idle = wait_for_idle
        for each in list(self._clients):
            each.drain()
        if not self._clients:
            return succeed(None)
        if self._gone is None:
            self._gone = Deferred()
        return self._gone

    def abort(self) -> None:
        """Answer what is unanswered with 503, and close every connection."""
        for each in list(self._clients):
            each.abort()

    def _allowed(self, peer: Peer) -> bool:
        if peer.uid in self._security.allow_uids or peer.gid in self._security.allow_gids:
            return True
        return peer.pid == os.getpid()  # we may always see whether we are well
