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

from unixsvc.errors import ServiceError
from unixsvc.rest.response import CONTINUE, INTERNAL_ERROR, Response, encode_response
from unixsvc.rest.server.body.incoming import IncomingBody
from unixsvc.rest.server.body.reception import BodyReception
from unixsvc.rest.server.client_account import ClientAccount
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.interfaces import RequestChannel, RequestGateway, UpgradedConnection
from unixsvc.rest.server.lifetime import ConnectionLifetime
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.server.transport_control import TransportControl
from unixsvc.rest.server.writer import ConnectionWriter
from unixsvc.security.buffer_budget import MIN_COUNTED
from unixsvc.telemetry.limited_logger import LimitedLogger
from unixsvc.transport.peer import is_secure

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
    :ivar secure: whether the connection is encrypted.
    :ivar write_paused: the client does not take what was written.
    :ivar traffic: counts what is received and sent.
    :ivar served: the number of requests that have been served.
    """

    __slots__ = (
        "_channel", "_connections", "_continued", "_control", "_gateway", "_lifetime", "_make_channel",
        "_parser", "_processing", "_reception", "_scheduled", "_serving", "_upgraded", "_writer", "client",
        "host", "peer", "persistent", "secure", "served", "traffic", "transport", "write_paused",
    )  # fmt: skip

    transport: Any  # asyncio's and Twisted's transports have no type in common
    peer: IAddress
    host: IAddress
    secure: bool
    _lifetime: ConnectionLifetime
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
        self.traffic = connections.traffic
        self._parser = connections.make_parser()
        self.client = ClientAccount(self, self._parser, connections.budget)
        self.persistent = True
        self.write_paused = False
        self._continued = False  # "100 Continue" was sent for the request whose body is awaited
        self._processing = False  # a request has no complete response yet
        self._reception: BodyReception | None = None  # of the body that an action reads while it arrives
        self._scheduled = False  # requests are in the buffer, and served in the loop's next iteration
        self._serving = False
        self.served = 0
        self._writer: ConnectionWriter | RequestChannel | UpgradedConnection | None = (
            None  # of the request that is processed
        )
        self._channel: RequestChannel | None = None
        self._upgraded: UpgradedConnection | None = None

    # Requests in.

    def dataReceived(self, data: bytes) -> None:
        """Parse and serve requests."""
        parser = self._parser
        self.traffic.received += len(data)
        if self._processing or self._scheduled or self.write_paused or self._control.closing is not None:
            self._read_ahead(data)
        elif parser.buffer or parser.head is not None:
            parser.buffer += data
            self._serve()
        else:
            self._serve(data)

    def _read_ahead(self, data: bytes) -> None:
        """Keep what is received before it can be served."""
        if self._control.closing is not None:
            return
        if self._upgraded is not None:
            self._upgraded.data_received(data)
        elif self._reception is not None:
            self._reception.receive(data)
        else:
            self._parser.buffer += data
            if self._control.reading:
                self.client.update()
                self.update_reading()

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
        if body and len(body) >= MIN_COUNTED:
            self.client.body_received(len(body))
        self._continued = False
        self._processing = True
        self.persistent = head.block.keep_alive and not self._connections.draining
        try:
            response = self._gateway.answer(head, body, self)
        except Exception as error:  # a fault of ours: the peer learns nothing of it
            response = self._failed(error)
        if response is not None:
            data = encode_response(response, head.version, close=not self.persistent)
            self.traffic.sent += len(data)
            self.transport.write(data)
            self.served += 1  # as response_done(), but that there is no writer, and _serve() goes on
            self._processing = False
            if self.client.body:
                self.client.request_done()
            if not self.persistent:
                self.loseConnection()
        if body and len(body) >= MIN_COUNTED:
            self.client.update()

    def _await_rest(self) -> None:
        """A request is not complete: note what is held of it; send ``100 Continue`` if it waits for that."""
        head, buffer = self._parser.head, self._parser.buffer
        if head is not None and self._parser.incoming is not None:
            self._serve_arriving(head, self._parser.incoming)
            return
        if head is not None and head.block.expects_continue and not (self._continued or buffer):
            self._continued = True
            self.write(CONTINUE)
        if head is not None or buffer:
            self.client.update()

    def _serve_arriving(self, head: Head, incoming: IncomingBody) -> None:
        """Have the gateway answer a request whose action reads the body while it arrives."""
        self._reception = BodyReception(self, self._parser, head, incoming)
        self._processing = True
        self._serve_request(self._reception.start(), b"")
        if not self._processing:
            self._end_reception()
            if self._parser.buffer and self._control.closing is None:
                self._scheduled = True
                self._connections.reactor.callLater(0, self._serve_scheduled)

    def body_received(self, head: Head) -> None:
        """The body that an action reads is complete: another request can follow it."""
        # A response that has started has said that the connection is closed.
        if not (isinstance(self._writer, ConnectionWriter) and self._writer.started):
            self.persistent = head.block.keep_alive and not self._connections.draining

    def _end_reception(self) -> None:
        reception, self._reception = self._reception, None
        if reception is not None:
            reception.end()

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
    def progress(self) -> int:
        """The number of bytes of a file that were sent for the request that is processed."""
        writer = self._writer
        return writer.progress if isinstance(writer, ConnectionWriter) else 0

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
        incoming = self._parser.incoming
        if self._upgraded is not None:
            wanted = self._upgraded.reading
        elif incoming is not None and not incoming.complete:
            wanted = incoming.wanted
        elif self._processing:
            wanted = len(self._parser.buffer) <= _MAX_AHEAD
        else:
            wanted = not (self._scheduled or self.write_paused)
        self._control.read(wanted and self.client.has_room)

    # Responses out.

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self.traffic.sent += len(data)
        self.transport.write(data)

    def may_send(self, size: int) -> bool:
        """True if there is room for a large response; else abort the connection."""
        return self._connections.unsent.may_send(self.transport, size)

    @property
    def incoming(self) -> IncomingBody | None:
        """The body of the current request, if its action reads it while it arrives."""
        return self._parser.incoming

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

    @property
    def upgradable(self) -> HttpProtocol:
        """See :class:`~unixsvc.rest.server.interfaces.RequestConnection`."""
        return self

    def upgrade(self, upgraded: UpgradedConnection, response: bytes) -> None:
        """Switch to another protocol; the response that says so goes first."""
        self.persistent = False
        self.write(response)
        self._writer = self._upgraded = upgraded
        ahead = bytes(self._parser.buffer)
        self._parser.clear()
        if ahead:
            self._connections.reactor.callLater(0, upgraded.data_received, ahead)
        self.client.update()
        self.update_reading()

    def response_done(self) -> None:
        """A response is complete: serve the next request, or close."""
        self.served += 1
        self._processing = False
        self._writer = None
        if self._reception is not None:
            self._end_reception()
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
        self._lifetime = lifetime = ConnectionLifetime(self, self._parser, self._connections)
        self._control = lifetime.control
        self.peer, self.host = transport.getPeer(), transport.getHost()
        self.secure = is_secure(transport)
        self._connections.opened(lifetime)

    def connectionMade(self) -> None:
        """Nothing: :meth:`makeConnection` has done all."""

    def connectionLost(self, reason: Failure) -> None:
        """The connection is closed; a response that is not complete is no longer needed."""
        self._lifetime.lost()
        self.client.close()
        writer, self._writer, self._channel, self._upgraded = self._writer, None, None, None
        reception, self._reception = self._reception, None
        if writer is not None:
            writer.connectionLost(reason)
        if reception is not None:
            reception.disconnected()

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
        self._lifetime.close()

    def refuse(self, error: ServiceError) -> None:
        """Send an error response and close; an action that reads the body gets the error."""
        if self._reception is not None:
            self._reception.incoming.fail(error)
        else:
            self._lifetime.refuse(error)

    def abort(self) -> None:
        """Close now."""
        self._lifetime.abort()
