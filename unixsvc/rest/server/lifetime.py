"""How long a connection lives, and how it ends."""

from __future__ import annotations

from typing import Any, Final, Protocol

from unixsvc.errors import Incomplete, ServiceError
from unixsvc.rest.server.client_account import ClientAccount
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.parser import RequestParser
from unixsvc.rest.server.timeouts import ConnectionPhase, PhaseTimer, peer_has_closed
from unixsvc.rest.server.transport_control import TransportControl
from unixsvc.transport.peer import has_unread_data
from unixsvc.transport.unsent_replies import unacknowledged_bytes

__all__ = ["ConnectionLifetime", "ServingConnection"]

# A client whose action waits for the body sends at least so many bytes a second, over the time-out.
_MIN_RATE: Final = 512


class ServingConnection(Protocol):
    """What a connection does, as its lifetime sees it.

    :ivar persistent: false to close the connection after the current response.
    :ivar write_paused: the client does not take what was written.
    :ivar served: the number of requests that have been served.
    """

    transport: Any  # asyncio's and Twisted's transports have no type in common
    persistent: bool
    write_paused: bool
    served: int
    client: ClientAccount

    @property
    def progress(self) -> int:
        """The number of bytes of a file that were sent for the request that is processed."""

    @property
    def busy(self) -> bool:
        """True while a request is processed, or waits for its turn."""


class ConnectionLifetime:
    """Closes one connection: after its last response, for its time-outs, at a drain, and for errors.

    :param connection: the connection; its transport is there.
    :param connections: the registry, whose calls these are.
    """

    __slots__ = ("_client", "_connection", "_connections", "_parser", "_timer", "control", "transport")

    def __init__(
        self, connection: ServingConnection, parser: RequestParser, connections: HttpConnections
    ) -> None:
        self.transport = connection.transport
        self.control = TransportControl(connection.transport)
        self._connection = connection
        self._client = connection.client
        self._parser = parser
        self._connections = connections
        self._timer = PhaseTimer()

    def close(self) -> None:
        """Close when all is sent."""
        if self.control.closing is None:
            # The head is there if the body of the last request has not arrived.
            if self._parser.buffer or self._parser.head is not None or self.control.has_unread():
                self._linger()
            else:
                self.control.close()

    def drain(self, *, close_idle: bool) -> None:
        """Close after the current response; at once if ``close_idle`` is set and there is no request."""
        self._connection.persistent = False
        if close_idle and self._phase() is ConnectionPhase.DRAINING:
            self._close_idle()

    def close_if_idle(self, *, authenticated: bool) -> bool:
        """Close if no request is processed or has begun; true if it does.

        :param authenticated: whether a request must have shown a valid token, or none may have.
        """
        if self._client.authenticated is not authenticated or self._phase() is not ConnectionPhase.IDLE:
            return False
        self._close_idle()
        return self.control.closing is not None

    def refuse(self, error: ServiceError) -> None:
        """Send an error response and close, as what follows cannot be parsed reliably, or is not wanted."""
        parser, peer = self._parser, self.transport.getPeer()
        response = self._connections.rejection(error, parser.head, parser.buffer, peer)
        self._connections.traffic.sent += len(response)
        self.transport.write(response)
        self._linger()

    def abort(self) -> None:
        """Close now."""
        self.control.abort()

    def lost(self) -> None:
        """The connection is closed."""
        self.control.closing = ConnectionPhase.CLOSING
        self._connections.closed(self)
        del self._connection  # a cycle would keep both until the garbage collector finds them

    def check_timeout(self, now: float) -> None:
        """Close the connection if its client has used up its time.

        :param now: in seconds.
        """
        control = self.control
        self._connections.unsent.update(self.transport)
        if not control.reading and control.closing is None and peer_has_closed(self.transport):
            self.abort()
            return
        phase = self._phase()
        timeout = self._connections.timeout(phase, authenticated=self._client.authenticated)
        served, incoming = self._connection.served, self._parser.incoming
        if phase is ConnectionPhase.RECEIVING and incoming is not None:
            elapsed = self._timer.elapsed(phase, served, incoming.received, now, int(_MIN_RATE * timeout))
        else:
            unsent = unacknowledged_bytes(self.transport) - self._connection.progress if phase.sends else 0
            elapsed = self._timer.elapsed(phase, served, unsent, now)
        if elapsed >= timeout:
            if phase.silent:
                self._close_idle()
            elif phase.sends:
                self.abort()
            elif incoming is not None:
                incoming.fail(Incomplete())
            else:
                self.refuse(Incomplete())

    def _phase(self) -> ConnectionPhase:
        connection, parser = self._connection, self._parser
        if self.control.closing is not None:
            return self.control.closing
        if connection.write_paused:
            return ConnectionPhase.SENDING
        if connection.busy:
            waits = parser.incoming is not None and parser.incoming.awaited
            return ConnectionPhase.RECEIVING if waits else ConnectionPhase.PROCESSING
        if parser.head is not None or parser.buffer:
            return ConnectionPhase.HEAD if parser.head is None else ConnectionPhase.BODY
        if not connection.served:
            return ConnectionPhase.NEW
        return ConnectionPhase.DRAINING if self._connections.draining else ConnectionPhase.IDLE

    def _close_idle(self) -> None:
        """Close, unless a request has just arrived that is not read yet."""
        if not has_unread_data(self.transport):
            self.close()

    def _linger(self) -> None:
        """Close the sending side when all is sent, and drop further input."""
        self._parser.clear()
        self._client.update()
        self.control.linger()
