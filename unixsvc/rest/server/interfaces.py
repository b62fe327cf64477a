"""What the connections, the gateway and the writers of responses are for each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.python.failure import Failure
from twisted.web.server import Request

from unixsvc.rest.response import Response
from unixsvc.rest.server.body.incoming import IncomingBody
from unixsvc.rest.server.client_account import ClientAccount
from unixsvc.rest.server.request_head import Head
from unixsvc.transport.socket_writer import SocketWriter
from unixsvc.transport.traffic import Traffic

__all__ = [
    "RequestChannel",
    "RequestConnection",
    "RequestGateway",
    "ResponseWriter",
    "UpgradableConnection",
    "UpgradedConnection",
    "WritableConnection",
]


class ResponseWriter(Protocol):
    """Writes the response to one request. After a disconnect, its methods do nothing."""

    @property
    def write_paused(self) -> bool:
        """Whether the client has not taken what was written before."""

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """Call a function if the client disconnects before the response is complete."""

    def may_send(self, size: int) -> bool:
        """True if there is room for a large response; else the connection is aborted."""

    def send(self, response: Response) -> None:
        """Write a whole response."""

    def start(self, response: Response, data: bytes = b"") -> None:
        """Write the head of a response whose length is not known, and the first part of its body."""

    def start_body(self, response: Response) -> None:
        """Write the head of a response whose length is known; its body follows."""

    def direct(self, response: Response) -> tuple[bytes, SocketWriter] | None:
        """The head of a response whose length is known, and what writes it and the body past the transport.

        None if the transport has something to write, or cannot do without.

        :raises OSError: if no file descriptor is left.
        """

    def blocked(self, is_blocked: bool) -> None:
        """Note whether the client takes nothing of what is written past the transport."""

    def sent(self, size: int) -> None:
        """Note how many bytes of a body were written."""

    def write(self, data: bytes) -> None:
        """Write a part of the body."""

    def finish(self) -> None:
        """End the body."""

    def cut_off(self) -> None:
        """Close the connection when all is written, without the end of the body."""

    def register(self, producer: IPushProducer) -> None:
        """Pause a producer while the client does not take what is written."""

    def unregister(self) -> None:
        """Forget the producer."""


class WritableConnection(Protocol):
    """A connection, as the writer of a response sees it.

    :ivar traffic: counts what is sent.
    :ivar persistent: false if the connection is closed after the response.
    :ivar write_paused: whether the client has not taken what was written before.
    """

    transport: Any  # asyncio's and Twisted's transports have no type in common
    traffic: Traffic
    persistent: bool
    write_paused: bool

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def may_send(self, size: int) -> bool:
        """True if there is room for a large response; else the connection is aborted."""

    def response_done(self) -> None:
        """The response is complete."""

    def loseConnection(self) -> None:
        """Close when all is sent."""


class RequestConnection(Protocol):
    """The connection of a request, as the gateway sees it.

    :ivar peer: the address of the client.
    :ivar host: the address that the client has connected to.
    :ivar client: what the connection remembers of its client; None on a site of others.
    :ivar secure: whether the connection is encrypted.
    """

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""

    @property
    def peer(self) -> IAddress:
        """The address of the client."""

    @property
    def host(self) -> IAddress:
        """The address that the client has connected to."""

    @property
    def client(self) -> ClientAccount | None:
        """What the connection remembers of its client; None on a site of others."""

    @property
    def incoming(self) -> IncomingBody | None:
        """The body of the current request, if its action reads it while it arrives."""

    def writer(self, head: Head) -> ResponseWriter:
        """The writer of a response that is not there at once."""

    @property
    def upgradable(self) -> UpgradableConnection | None:
        """The same connection, if it can switch to another protocol."""

    def web_request(self, head: Head, body: bytes) -> Request:
        """The request as one of twisted.web, which writes its response itself."""


class UpgradedConnection(Protocol):
    """What a connection passes everything on to after it has switched to another protocol.

    :ivar reading: whether further bytes can be used soon (flow control).
    """

    @property
    def reading(self) -> bool:
        """Whether further bytes can be used soon (flow control)."""

    def data_received(self, data: bytes) -> None:
        """The client has sent bytes."""

    def pauseProducing(self) -> None:
        """The transport's write buffer is full."""

    def resumeProducing(self) -> None:
        """The transport's write buffer has drained."""

    def connectionLost(self, reason: Failure) -> None:
        """The client is disconnected."""


class UpgradableConnection(WritableConnection, Protocol):
    """A connection that can switch to another protocol."""

    client: ClientAccount

    def upgrade(self, upgraded: UpgradedConnection, response: bytes) -> None:
        """Switch to another protocol; the response that says so goes first."""

    def update_reading(self) -> None:
        """Read on, or stop to read."""

    def abort(self) -> None:
        """Close now."""


class RequestGateway(Protocol):
    """Answers the requests of all connections."""

    def answer(self, head: Head, body: bytes, connection: RequestConnection, /) -> Response | None:
        """Answer a request: the response; None if it is written later, or by a request of twisted.web."""


class RequestChannel(Protocol):
    """What requests of twisted.web write to, on one connection."""

    def request(self, head: Head, body: bytes) -> Request:
        """Make a request, which writes its response itself."""

    def pauseProducing(self) -> None:
        """The transport's write buffer is full."""

    def resumeProducing(self) -> None:
        """The transport's write buffer has drained."""

    def connectionLost(self, reason: Failure) -> None:
        """The client is disconnected."""
