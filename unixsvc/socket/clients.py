"""All the connections of one service in one process, and what they share."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from unixsvc.config import Limits, Security
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.domain.message import Peer
from unixsvc.errors import Forbidden, ServiceError, Unavailable

__all__ = ["Client", "Clients"]


class Client(Protocol):
    """One connection, as all of them together are dealt with."""

    def check_time(self, now: float) -> None:
        """Close the connection if its client has used up its time."""

    def finish(self) -> None:
        """Serve what has arrived, answer it, and close."""

    def abort(self) -> None:
        """Close now."""


class Clients:
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
        self._clients: set[Client] = set()
        self._gone: Deferred[None] | None = None
        self._finishing = False

    def __len__(self) -> int:
        return len(self._clients)

    def opened(self, client: Client, peer: Peer) -> ServiceError | None:
        """Note a new connection.

        :returns: why it is not wanted, if it isn't.
        """
        self._clients.add(client)
        if self._finishing:
            # Accepted before, and told to us only now.
            self.reactor.callLater(0, client.finish)
        if len(self._clients) > self.limits.max_connections:
            return Unavailable()
        if not self._allowed(peer):
            return Forbidden("this user may not connect")
        return None

    def closed(self, client: Client) -> None:
        """Note that a connection is gone."""
        self._clients.discard(client)
        if self._gone is not None and not self._clients:
            gone, self._gone = self._gone, None
            gone.callback(None)

    def check_time(self) -> None:
        """Close the connections whose clients have used up their time."""
        now = self.reactor.seconds()
        for each in list(self._clients):
            each.check_time(now)

    def finish(self) -> Deferred[None]:
        """Have every connection answer what it has been asked, and close.

        :returns: fires when the last is gone.
        """
        self._finishing = True
        for each in list(self._clients):
            each.finish()
        if not self._clients:
            return succeed(None)
        self._gone = Deferred()
        return self._gone

    def abort(self) -> None:
        """Close every connection now."""
        for each in list(self._clients):
            each.abort()

    def _allowed(self, peer: Peer) -> bool:
        uids, gids = self._security.allow_uids, self._security.allow_gids
        return not (uids or gids) or peer.uid in uids or peer.gid in gids
