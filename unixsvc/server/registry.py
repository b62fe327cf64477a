"""All connections of one service in one process, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, Protocol

from msgspec.structs import replace
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from unixsvc.config.settings import Limits, Security
from unixsvc.domain.message import Caller, Peer
from unixsvc.errors import ServiceError, Unavailable
from unixsvc.security.buffer_budget import BufferBudget
from unixsvc.security.connection_quota import ConnectionQuota
from unixsvc.server.context import Admission
from unixsvc.server.pending_call import PendingCall
from unixsvc.telemetry.connection_log import ConnectionLog
from unixsvc.transport.interfaces import ServerTransport
from unixsvc.transport.traffic import Traffic
from unixsvc.transport.unsent_replies import UnsentReplies
from unixsvc.typing import IHandleMessage

__all__ = ["ConnectionRegistry", "RegisteredConnection"]


# Refused connections that may read their reply at the same time. Further ones are closed at once: they use
# file descriptors as the others do.
_MAX_REFUSED: Final = 16
_OFF: Final = "off"
_REQUIRED: Final = "required"


class RegisteredConnection(Protocol):
    """One connection, as the registry sees it."""

    @property
    def received(self) -> int:
        """The bytes that it has received, as far as they are not counted elsewhere."""

    @property
    def peer(self) -> Peer:
        """The process that has connected."""

    def pending_calls(self) -> Iterable[PendingCall]:
        """The requests whose replies are not complete."""

    def check_time(self, now: float, *, wait_for_idle: bool) -> None:
        """Act on time-outs."""

    def drain(self) -> None:
        """Send goaway if the client understands that, and serve it until it disconnects."""

    def abort(self) -> None:
        """Answer pending requests with 503, and close."""

    def review_caller(self, review: Callable[[Caller], bool]) -> None:
        """Call a function with the caller; if it returns true, the client is asked to reconnect."""


class TransportConnection(RegisteredConnection, Protocol):
    """One that has a transport."""

    transport: ServerTransport


class ConnectionRegistry:
    """Counts connections, refuses those over the limits, and drains all of them.

    :param security: which clients must show a token.
    :param admission: decides which processes may connect; None to serve all.
    :param owner: the uid of the orchestrator.
    :param log: logs refused connections.
    :param accepts_any: whether the route of a method and a path accepts data that is no object.
    :param traffic: counts what is received and sent; None for an object of its own.
    :ivar handle: the use case of all connections.
    :ivar limits: of each connection, and of their number.
    :ivar reactor: for deadlines.
    :ivar budget: for what is received from clients without a token, and what waits to be sent to them.
    :ivar unsent: the latter.
    :ivar add: adds a connection without a transport, after :meth:`may_serve_descriptors`.
    """

    def __init__(
        self,
        handle: IHandleMessage,
        limits: Limits,
        security: Security,
        reactor: IReactorTime,
        admission: Admission | None = None,
        *,
        owner: int = 0,
        log: ConnectionLog | None = None,
        accepts_any: Callable[[str, str], bool] = lambda method, path: False,
        traffic: Traffic | None = None,
    ) -> None:
        self.traffic = Traffic() if traffic is None else traffic
        self.traffic.present = self.received
        self.accepts_any = accepts_any
        self.handle = handle
        self.limits = limits
        self.reactor = reactor
        self._log = log or ConnectionLog("")
        self.budget = BufferBudget(limits, self._log.buffer_exhausted, handle.hold_back)
        self.unsent = UnsentReplies(self.budget)
        idle_timeout = min(limits.authentication_timeout, limits.idle_timeout)
        self._unauthenticated_limits = replace(limits, idle_timeout=idle_timeout)
        self._token = security.token
        self._quota = ConnectionQuota(limits, owner)
        self._unlimited = self._quota.unlimited  # here, as it is compared for each connection
        self._admission = admission
        self._connections: set[RegisteredConnection] = set()
        self.add = self._connections.add
        self._refused: set[RegisteredConnection] = set()
        self._drained: Deferred[None] | None = None
        self._draining = False
        self._wait_for_idle = True

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def crowded(self) -> bool:
        """Whether so many refused connections are open that further ones are to be closed at once."""
        return len(self._refused) > _MAX_REFUSED

    def opened(self, connection: TransportConnection, caller: Caller) -> ServiceError | None:
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
        if len(self._connections) > self._unlimited and not self._has_place(connection, caller.peer):
            return self._refuse(connection, Unavailable())
        return None

    def may_serve_descriptors(self) -> bool:
        """True if connections need neither be admitted, limited nor drained: a transport is not needed."""
        return len(self._connections) < self._unlimited and self._admission is None and not self._draining

    def replace(self, connection: RegisteredConnection, successor: RegisteredConnection) -> None:
        """Replace a connection without a transport by one that has one."""
        self._connections.remove(connection)
        self._connections.add(successor)
        # Of the first message, which is counted, the successor counts one byte.
        self.traffic.received -= 1

    def closed(self, connection: TransportConnection) -> None:
        """Remove a connection that is lost."""
        if self.unsent.peers and connection.transport in self.unsent.peers:
            # The event loop gives the memory back at the end of this iteration.
            self.reactor.callLater(0, self.unsent.forget, connection.transport)
        self.remove(connection)

    def remove(self, connection: RegisteredConnection) -> None:
        """Remove a connection. Its peer can still be read."""
        self._connections.discard(connection)
        if self._refused and connection in self._refused:
            self._refused.discard(connection)
        elif self._quota.counts_users:
            self._quota.closed(connection.peer, len(self._connections) - len(self._refused))
            self._unlimited = self._quota.unlimited
        if self._drained is not None and not self._connections:
            drained, self._drained = self._drained, None
            drained.callback(None)

    def limits_for(self, caller: Caller, served: int) -> Limits:
        """The limits of one connection: where the policy demands a token, its idle time-out is short before.

        :param served: the number of messages that the caller has sent.
        """
        if caller.trusted or caller.grant is not None or self._token == _OFF:
            return self.limits
        if served and self._token != _REQUIRED:
            return self.limits
        return self._unauthenticated_limits

    def check_time(self) -> None:
        """Act on the time-outs of all connections."""
        now = self.reactor.seconds()
        for connection in list(self._connections):
            connection.check_time(now, wait_for_idle=self._wait_for_idle)
        self.budget.check(now)

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

    def review_callers(self, review: Callable[[Caller], bool]) -> None:
        """Review the caller of each connection, see :class:`unixsvc.server.interfaces.IReviewsCallers`."""
        for connection in list(self._connections):
            connection.review_caller(review)

    def received(self) -> int:
        """The bytes that the present connections have received."""
        return sum(connection.received for connection in self._connections)

    def pending_calls(self) -> list[PendingCall]:
        """The requests whose replies are not complete, of all connections."""
        return [call for connection in self._connections for call in connection.pending_calls()]

    def abort(self) -> None:
        """Answer pending requests with 503, and close every connection."""
        for connection in list(self._connections):
            connection.abort()

    def _has_place(self, new: RegisteredConnection, peer: Peer) -> bool:
        count = len(self._connections) - len(self._refused) - 1
        if count < self._unlimited:
            return True
        allowed = self._quota.allows(peer, self._peers(new), count)
        self._unlimited = self._quota.unlimited
        if not allowed:
            self._log.too_many_connections(peer, count)
        return allowed

    def _peers(self, new: RegisteredConnection) -> Iterator[Peer]:
        """The peers of all connections that are served, without a new one; most often not asked for."""
        served = (each for each in self._connections if each not in self._refused)
        return (connection.peer for connection in served if connection is not new)

    def _refuse(self, connection: RegisteredConnection, error: ServiceError) -> ServiceError:
        # It lingers until its client has read the reply, and must not use up what the others may have.
        self._refused.add(connection)
        return error
