"""One HTTP connection: from bytes to the gateway, and back.

The way in is :meth:`HttpProtocol.dataReceived`, ``_serve``, ``_serve_next``, then
:meth:`unixsvc.rest.server.request.HttpRequest.start`, then the gateway's ``render``. The way out is
:func:`unixsvc.rest.server.writer.send`, :meth:`ResponseChannel.write` and :meth:`HttpProtocol.requestDone`.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure
from twisted.web.server import Request, Site

from unixsvc.errors import Incomplete, ServiceError
from unixsvc.rest.response import CONTINUE
from unixsvc.rest.server.client_account import ClientAccount
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.parser import RequestParser
from unixsvc.rest.server.timeouts import ConnectionPhase, PhaseTimer, peer_has_closed
from unixsvc.rest.server.transport_control import TransportControl
from unixsvc.rest.server.twisted_internals import take_over_reading
from unixsvc.rest.server.writer import ResponseChannel
from unixsvc.security.buffer_budget import MIN_COUNTED
from unixsvc.transport.peer import has_unread_data
from unixsvc.transport.unsent_replies import unacknowledged_bytes

__all__ = ["HttpProtocol"]

# The most requests of one connection that are served before the event loop serves the others.
_BATCH: Final = 64
# The most bytes that are buffered behind a request that is being processed; the rest stays with the client.
_MAX_AHEAD: Final = 16_384


class HttpProtocol(ResponseChannel):
    """The server's side of one connection.

    twisted.web's channel is the base, as its requests write through it: they register producers and ask for
    addresses. Reading is replaced: a head is parsed at once instead of line by line, nothing is buffered
    beyond its limit, and there is no timer for each connection.

    :param site: of twisted.web, with the gateway.
    :param connections: the registry, and what all connections share.
    :ivar client: what the connection remembers of its client.
    """

    _control: TransportControl
    _peer: IAddress
    _host: IAddress

    def __init__(self, site: Site, connections: HttpConnections) -> None:
        super().__init__()
        self.factory = self.site = site
        self.requestFactory: Any = site.requestFactory  # has start(), which twisted.web's own has not
        self._connections = connections
        self._parser = RequestParser(connections.http.max_header_bytes, connections.limits.max_message_bytes)
        self.client = ClientAccount(self, self._parser, connections.budget)
        self._continued = False  # "100 Continue" was sent for the request whose body is awaited
        self._processing = False  # a request has no complete response yet
        self._scheduled = False  # requests are in the buffer, and served in the loop's next iteration
        self._write_paused = self._serving = False
        self._served = 0
        self._phase_timer = PhaseTimer()

    # Requests in.

    def dataReceived(self, data: bytes) -> None:
        """Parse and serve requests."""
        if self._control.closing is not None:
            return
        self._parser.buffer += data
        if not (self._processing or self._scheduled or self._write_paused):
            self._serve()
        elif self._control.reading:
            self.client.update()
            self.update_reading()

    def _serve(self) -> None:
        """Serve the requests in the buffer, but not so many that other connections have to wait."""
        self._serving = True
        try:
            for _ in range(_BATCH):
                if self._processing or self._write_paused or self._control.closing is not None:
                    break
                if not self._serve_next():
                    break
            else:
                self._scheduled = True
                self._connections.reactor.callLater(0, self._serve_scheduled)
        except ServiceError as error:
            self.refuse(error)
        finally:
            self._serving = False
        self.update_reading()

    def _serve_next(self) -> bool:
        """Hand a request to the gateway; False if there is none that is complete."""
        parser = self._parser
        found = parser.next()
        if found is None:
            head = parser.head
            if head is not None and head.expects_continue and not self._continued and not parser.buffer:
                self._continued = True
                self.transport.write(CONTINUE)
            if head is not None or parser.buffer or self.client.counted:
                self.client.update()
            return False
        head, body = found
        if is_large := len(body) >= MIN_COUNTED:
            self.client.body_received(len(body))
        self._continued = False
        self._processing = True
        self.persistent = head.keep_alive and not self._connections.draining
        request = self.requestFactory(self)
        self.requests.append(request)
        request.start(head, body)
        if is_large:
            self.client.update()
        return True

    def _serve_scheduled(self) -> None:
        self._scheduled = False
        self._serve()

    def _serve_more(self) -> None:
        if self._scheduled or self._processing:
            self.update_reading()
        elif not self._serving:
            self._serve()

    @property
    def busy(self) -> bool:
        """True while a request is processed, or waits for its turn."""
        return self._processing or self._scheduled

    def update_reading(self) -> None:
        """Read on only if further requests can be served soon (flow control).

        While a request is processed a little is read ahead, which is how a disconnect is noticed.
        """
        if self._control.closing is not None:
            return
        if self._processing:
            wanted = len(self._parser.buffer) <= _MAX_AHEAD
        else:
            wanted = not (self._scheduled or self._write_paused)
        self._control.read(wanted and self.client.has_room)

    # Responses out.

    def may_send(self, size: int) -> bool:
        """True if there is room for a large response; else abort the connection."""
        return self._connections.unsent.may_send(self.transport, size)

    # Further methods that requests of twisted.web call.

    def requestDone(self, request: Request) -> None:
        """A response is complete: serve the next request, or close."""
        self.requests.remove(request)
        self._served += 1
        self._processing = False
        if self.client.body:
            self.client.request_done()
        if self.persistent:
            self._serve_more()
        else:
            self.loseConnection()

    def getPeer(self) -> IAddress:
        """The client's address, from a cache: each request asks, and the transport makes a system call."""
        return self._peer

    def getHost(self) -> IAddress:
        """The address that the client has connected to, from a cache."""
        return self._host

    # The transport's other calls.

    def connectionMade(self) -> None:
        """Register the connection.

        twisted.web's own starts a timer, and pauses only transports that declare themselves producers.
        """
        transport = self.transport
        transport.registerProducer(self, True)
        take_over_reading(self, transport)
        self._control = TransportControl(transport)
        self._peer, self._host = transport.getPeer(), transport.getHost()
        self._connections.opened(self)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """The connection is closed; ``notifyFinish`` notifies requests in progress."""
        self._control.closing = ConnectionPhase.CLOSING
        self._connections.closed(self)
        self.client.close()
        super().connectionLost(reason)

    def pauseProducing(self) -> None:
        """The transport's write buffer is full."""
        self._write_paused = True
        super().pauseProducing()
        self._connections.unsent.update(self.transport)

    def resumeProducing(self) -> None:
        """The transport's write buffer has drained."""
        self._write_paused = False
        self._connections.unsent.update(self.transport)
        super().resumeProducing()
        self._serve_more()

    # The end of the connection.

    def loseConnection(self) -> None:
        """Close when all is sent."""
        if self._control.closing is None:
            if self._parser.buffer or self._control.has_unread():
                self._linger()
            else:
                self._control.close()

    def drain(self, *, close_idle: bool) -> None:
        """Close after the current response; at once if ``close_idle`` is set and there is no request."""
        self.persistent = False
        if close_idle and self._phase() is ConnectionPhase.DRAINING:
            self._close_idle()

    def close_if_idle(self, *, authenticated: bool) -> bool:
        """Close if no request is processed or has begun; true if it does.

        :param authenticated: whether a request must have shown a valid token, or none may have.
        """
        if self.client.authenticated is not authenticated or self._phase() is not ConnectionPhase.IDLE:
            return False
        self._close_idle()
        return self._control.closing is not None

    def refuse(self, error: ServiceError) -> None:
        """Send an error response and close, as what follows cannot be parsed reliably, or is not wanted."""
        self.transport.write(self._connections.rejection(error, self._parser.head))
        self._linger()

    def abort(self) -> None:
        """Close now."""
        self._control.abort()

    def check_timeout(self, now: float) -> None:
        """Close the connection if its client has used up its time.

        :param now: in seconds.
        """
        control = self._control
        self._connections.unsent.update(self.transport)
        if not control.reading and control.closing is None and peer_has_closed(self.transport):
            self.abort()
            return
        phase = self._phase()
        unsent = unacknowledged_bytes(self.transport) if phase.sends else 0
        elapsed = self._phase_timer.elapsed(phase, self._served, unsent, now)
        if elapsed >= self._connections.timeout(phase, authenticated=self.client.authenticated):
            if phase.silent:
                self._close_idle()
            elif phase.sends:
                self.abort()
            else:
                self.refuse(Incomplete())

    def _phase(self) -> ConnectionPhase:
        if self._control.closing is not None:
            return self._control.closing
        if self._write_paused:
            return ConnectionPhase.SENDING
        if self._processing or self._scheduled:
            return ConnectionPhase.PROCESSING
        if self._parser.head is not None:
            return ConnectionPhase.BODY
        if self._parser.buffer:
            return ConnectionPhase.HEAD
        if not self._served:
            return ConnectionPhase.NEW
        return ConnectionPhase.DRAINING if self._connections.draining else ConnectionPhase.IDLE

    def _close_idle(self) -> None:
        """Close, unless a request has just arrived that is not read yet."""
        if not has_unread_data(self.transport):
            self.loseConnection()

    def _linger(self) -> None:
        """Close the sending side when all is sent, and drop further input."""
        self._parser.clear()
        self.client.update()
        self._control.linger()
