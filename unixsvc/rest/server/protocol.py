"""One HTTP connection: from bytes to the gateway, and back.

The way in is :meth:`HttpProtocol.dataReceived`, ``_serve``, ``_serve_next``, then the gateway's ``answer``. A
response that is there at once is written by ``_serve_next``; any other by a
:class:`~unixsvc.rest.server.writer.ConnectionWriter`, or by a request of twisted.web.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.internet.interfaces import IAddress, IProtocol, IPushProducer
from twisted.python.failure import Failure
from twisted.web.server import Request
from zope.interface import implementer

from unixsvc.errors import Incomplete, ServiceError
from unixsvc.rest.response import CONTINUE, INTERNAL_ERROR, Response, encode_response
from unixsvc.rest.server.client_account import ClientAccount
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.interfaces import RequestChannel, RequestGateway
from unixsvc.rest.server.parser import RequestParser
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.server.timeouts import ConnectionPhase, PhaseTimer, peer_has_closed
from unixsvc.rest.server.transport_control import TransportControl
from unixsvc.rest.server.writer import ConnectionWriter
from unixsvc.security.buffer_budget import MIN_COUNTED
from unixsvc.telemetry.limited_logger import LimitedLogger
from unixsvc.transport.peer import has_unread_data
from unixsvc.transport.unsent_replies import unacknowledged_bytes

__all__ = ["HttpProtocol"]

_log: Final = LimitedLogger(__name__)
# The most requests of one connection that are served before the event loop serves the others.
_BATCH: Final = 64
# The most bytes that are buffered behind a request that is being processed; the rest stays with the client.
_MAX_AHEAD: Final = 16_384


@implementer(IProtocol, IPushProducer)
class HttpProtocol:
    """The server's side of one connection.

    Nothing is buffered beyond its limit, and there is no timer for each connection. Requests of twisted.web
    are made only where something needs them.

    :param gateway: answers the requests.
    :param connections: the registry, and what all connections share.
    :param make_channel: makes what requests of twisted.web write to.
    :ivar persistent: false if the connection is closed after the response.
    :ivar peer: the address of the client.
    :ivar host: the address that the client has connected to.
    :ivar client: what the connection remembers of its client.
    :ivar write_paused: the client does not take what was written.
    """

    transport: Any  # asyncio's and Twisted's transports have no type in common
    peer: IAddress
    host: IAddress
    _control: TransportControl

    def __init__(
        self,
        gateway: RequestGateway,
        connections: HttpConnections,
        make_channel: Callable[[HttpProtocol], RequestChannel],
    ) -> None:
        self._gateway = gateway
        self._make_channel = make_channel
        self._connections = connections
        self._parser = RequestParser(
            connections.http.max_header_bytes, connections.limits.max_message_bytes, connections.usual_heads
        )
        self.client = ClientAccount(self, self._parser, connections.budget)
        self.persistent = True
        self.write_paused = False
        self._continued = False  # "100 Continue" was sent for the request whose body is awaited
        self._processing = False  # a request has no complete response yet
        self._scheduled = False  # requests are in the buffer, and served in the loop's next iteration
        self._serving = False
        self._served = 0
        self._phase_timer = PhaseTimer()
        self._writer: ConnectionWriter | RequestChannel | None = None  # of the request that is processed
        self._channel: RequestChannel | None = None

    # Requests in.

    def dataReceived(self, data: bytes) -> None:
        """Parse and serve requests."""
        if self._control.closing is not None:
            return
        parser = self._parser
        if self._processing or self._scheduled or self.write_paused:
            parser.buffer += data
            if self._control.reading:
                self.client.update()
                self.update_reading()
        elif parser.buffer or parser.head is not None:
            parser.buffer += data
            self._serve()
        else:
            self._serve(data)

    def _serve(self, data: bytes = b"") -> None:
        """Serve the requests in the buffer, but not so many that other connections have to wait.

        :param data: what is received, if the buffer is empty.
        """
        parser, served = self._parser, 0
        self._serving = True
        try:
            found = parser.take(data) if data else parser.next()
            while found is not None:
                self._serve_request(*found)
                served += 1
                if not parser.buffer or self._processing or self.write_paused or self._control.closing:
                    break
                if served == _BATCH:
                    self._scheduled = True
                    self._connections.reactor.callLater(0, self._serve_scheduled)
                    break
                found = parser.next()
            else:
                self._await_rest()
        except ServiceError as error:
            self.refuse(error)
        finally:
            self._serving = False
        if self.client.counted:
            self.client.update()
        idle = not (self._processing or self._scheduled or self.write_paused)
        if not (idle and self._control.reading and self.client.has_room):
            self.update_reading()

    def _serve_request(self, head: Head, body: bytes) -> None:
        """Have the gateway answer a request."""
        if len(body) >= MIN_COUNTED:
            self.client.body_received(len(body))
        self._continued = False
        self._processing = True
        self.persistent = head.block.keep_alive and not self._connections.draining
        try:
            response = self._gateway.answer(head, body, self)
        except Exception as error:  # a fault of ours: the peer learns nothing of it
            response = self._failed(error)
        if response is not None:
            self.transport.write(encode_response(response, head.version, close=not self.persistent))
            self.response_done()
        if len(body) >= MIN_COUNTED:
            self.client.update()

    def _await_rest(self) -> None:
        """A request is not complete: note what is held of it; send ``100 Continue`` if it waits for that."""
        head, buffer = self._parser.head, self._parser.buffer
        if head is not None and head.block.expects_continue and not (self._continued or buffer):
            self._continued = True
            self.transport.write(CONTINUE)
        if head is not None or buffer:
            self.client.update()

    def _failed(self, error: Exception) -> Response | None:
        _log.failure("request failed", error)
        if self._writer is None:
            return INTERNAL_ERROR
        self.abort()  # a partial response must not look complete
        return None

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
            wanted = not (self._scheduled or self.write_paused)
        self._control.read(wanted and self.client.has_room)

    # Responses out.

    def may_send(self, size: int) -> bool:
        """True if there is room for a large response; else abort the connection."""
        return self._connections.unsent.may_send(self.transport, size)

    def writer(self, head: Head) -> ConnectionWriter:
        """The writer of a response that is not there at once."""
        writer = self._writer = ConnectionWriter(self, head.version)
        return writer

    def web_request(self, head: Head, body: bytes) -> Request:
        """A request of twisted.web, which writes its response itself."""
        if self._channel is None:
            self._channel = self._make_channel(self)
        self._writer = self._channel
        return self._channel.request(head, body)

    def response_done(self) -> None:
        """A response is complete: serve the next request, or close."""
        self._served += 1
        self._processing = False
        self._writer = None
        if self.client.body:
            self.client.request_done()
        if self.persistent:
            if not self._serving:
                self._serve_more()
        else:
            self.loseConnection()

    # The transport's other calls.

    def makeConnection(self, transport: Any) -> None:
        """Register the connection."""
        self.transport = transport
        transport.registerProducer(self, True)
        self._control = TransportControl(transport)
        self.peer, self.host = transport.getPeer(), transport.getHost()
        self._connections.opened(self)

    def connectionMade(self) -> None:
        """Nothing: :meth:`makeConnection` has done all."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is closed; a response that is not complete is no longer needed."""
        self._control.closing = ConnectionPhase.CLOSING
        self._connections.closed(self)
        self.client.close()
        writer, self._writer, self._channel = self._writer, None, None
        if writer is not None:
            writer.connectionLost(reason)

    def pauseProducing(self) -> None:
        """The transport's write buffer is full."""
        self.write_paused = True
        if self._writer is not None:
            self._writer.pauseProducing()
        self._connections.unsent.update(self.transport)

    def resumeProducing(self) -> None:
        """The transport's write buffer has drained."""
        self.write_paused = False
        self._connections.unsent.update(self.transport)
        if self._writer is not None:
            self._writer.resumeProducing()
        self._serve_more()

    def stopProducing(self) -> None:
        """The transport is about to be lost: :meth:`connectionLost` follows."""

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
        parser = self._parser
        if self._control.closing is not None:
            return self._control.closing
        if self.write_paused:
            return ConnectionPhase.SENDING
        if self._processing or self._scheduled:
            return ConnectionPhase.PROCESSING
        if parser.head is not None or parser.buffer:
            return ConnectionPhase.HEAD if parser.head is None else ConnectionPhase.BODY
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
