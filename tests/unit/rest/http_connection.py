"""An HTTP server with clients in memory, and a gateway that responds when a test says so."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from unixsvc.config.http import Http
from unixsvc.config.settings import Limits
from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.interfaces import RequestConnection
from unixsvc.rest.server.request_head import Head
from unixsvc.rest.web.site import HttpSite
from unixsvc.testing import MemoryTransport

__all__ = [
    "ClosingTransport",
    "FakeGateway",
    "ReceivedResponse",
    "ServerHarness",
    "ServerTestCase",
    "raw",
    "responses_in",
]

HTTP = Http(header_timeout=4, send_timeout=8, max_header_bytes=1024)
LIMITS = Limits(message_timeout=4, idle_timeout=16, max_message_bytes=100, max_connections=100)


class ReceivedResponse(msgspec.Struct, frozen=True):
    """A response, parsed from its bytes."""

    code: int
    headers: dict[str, str]
    body: bytes


class FakeGateway(Resource):
    """A gateway.

    :ivar requests: all requests.
    :ivar bodies: their bodies.
    :ivar pending: the requests for ``/wait``, which are answered by :meth:`respond`.
    :ivar resource: answers instead, unless it is None.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Any] = []
        self.bodies: list[bytes] = []
        self.pending: list[Any] = []
        self.resource: Any = None

    def answer(self, head: Head, body: bytes, connection: RequestConnection) -> None:
        """Respond through a request of twisted.web, at once or later."""
        if head.target == b"/fail":
            raise RuntimeError("a secret")
        request = connection.web_request(head, body)
        response = (self.resource or self).render(request)
        if response is not NOT_DONE_YET:
            request.setHeader(b"Content-Length", b"%d" % len(response))
            request.write(response)
            request.finish()

    def render(self, request: Any) -> Any:
        """Respond, or keep the request pending."""
        self.requests.append(request)
        self.bodies.append(request.content.read())
        if request.path == b"/wait":
            self.pending.append(request)
            return NOT_DONE_YET
        return b"ok " + request.path

    def respond(self, body: bytes = b"waited") -> None:
        """Respond to the first pending request."""
        request = self.pending.pop(0)
        request.setHeader(b"Content-Length", b"%d" % len(body))
        request.write(body)
        request.finish()

    def drain(self) -> None:
        """There are no WebSockets."""

    def abort(self) -> None:
        """Respond to all pending requests with 503."""
        while self.pending:
            self.pending[0].setResponseCode(503)
            self.respond(b"gave up")


class ClosingTransport(MemoryTransport):
    """A transport that closes as real ones do, with ``connectionLost``.

    :ivar writes: the number of writes.
    """

    protocol: Any = None
    writes = 0

    def write(self, data: bytes) -> None:
        """Count the write."""
        self.writes += 1
        super().write(data)

    def loseConnection(self) -> None:
        """Close."""
        super().loseConnection()
        self.lose()

    def abortConnection(self) -> None:
        """Close."""
        super().abortConnection()
        self.lose()

    def lose(self) -> None:
        """Close from the client's side."""
        if self.protocol is not None:
            protocol, self.protocol = self.protocol, None
            protocol.connectionLost(Failure(ConnectionError()))


class ServerHarness:
    """A server, a clock and clients."""

    def __init__(self, http: Http = HTTP, limits: Limits = LIMITS) -> None:
        self.clock = Clock()
        self.gateway = FakeGateway()
        self.connections = HttpConnections(http, limits, self.clock)
        self.site = HttpSite(self.gateway, self.connections)

    def connect(self) -> tuple[Any, ClosingTransport]:
        """Connect a client; returns the server's protocol and its transport."""
        transport = ClosingTransport()
        channel = self.site.buildProtocol(None)
        transport.protocol = channel
        channel.makeConnection(transport)
        return channel, transport

    def send(self, data: bytes) -> ClosingTransport:
        """Send bytes from a new client."""
        channel, transport = self.connect()
        channel.dataReceived(data)
        return transport

    def send_bytewise(self, data: bytes) -> ClosingTransport:
        """Send bytes from a new client, one at a time."""
        channel, transport = self.connect()
        for each in data:
            channel.dataReceived(bytes([each]))
        return transport

    def wait(self, seconds: float) -> None:
        """Advance the clock in steps of a quarter of a second."""
        self.clock.pump([0.25] * int(seconds * 4))


def raw(line: str = "GET / HTTP/1.1", *headers: str, body: bytes = b"", host: str = "Host: x") -> bytes:
    """The bytes of a request."""
    lines = [line, *([host] if host else []), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def responses_in(data: bytes) -> list[ReceivedResponse]:
    """Parse responses."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = dict(each.split(": ", 1) for each in fields)
        length = int(headers.get("Content-Length", 0))
        found.append(ReceivedResponse(int(line.split()[1]), headers, data[:length]))
        data = data[length:]
    return found


class ServerTestCase(SynchronousTestCase):
    """A test case with a server."""

    def setUp(self) -> None:
        """Start a server without connections."""
        self.harness = ServerHarness()
        self.site, self.gateway = self.harness.site, self.harness.gateway
        self.connections = self.harness.connections

    def codes(self, transport: ClosingTransport) -> list[int]:
        """The status codes of the responses."""
        return [each.code for each in responses_in(transport.value())]

    def after(self, transport: ClosingTransport, seconds: float) -> tuple[list[int], str]:
        """Advance the clock; returns the status codes of the responses and how the connection was closed."""
        self.harness.wait(seconds)
        return self.codes(transport), transport.closed
