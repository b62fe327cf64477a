"""Receives the body of a request whose action reads it while it arrives."""

from __future__ import annotations

from typing import Final, Protocol

from msgspec.structs import replace

from unixsvc.errors import Cancelled, ServiceError
from unixsvc.rest.response import CONTINUE
from unixsvc.rest.server.body.incoming import IncomingBody
from unixsvc.rest.server.request_head import Head

__all__ = ["BodyParser", "BodyReception", "CountedClient", "ReceivingConnection"]


class BodyParser(Protocol):
    """The parser of a connection, as the reception sees it.

    :ivar buffer: what has been received and not parsed yet.
    """

    buffer: bytearray
    incoming: IncomingBody | None

    def receive(self, incoming: IncomingBody, data: bytes) -> None:
        """Receive bytes of a body; what follows the body is buffered."""


class CountedClient(Protocol):
    """The account of a client, as the reception sees it."""

    def update(self) -> None:
        """Count what is held now."""


class ReceivingConnection(Protocol):
    """A connection, as the reception sees it."""

    @property
    def client(self) -> CountedClient:
        """What the connection remembers of its client."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def update_reading(self) -> None:
        """Read on, or stop to read."""

    def body_received(self, head: Head) -> None:
        """The body is complete: another request can follow it."""


class BodyReception:
    """Moves bytes from one connection to the action of its current request.

    The connection reads on only while the action takes the bytes (flow control), and ``100 Continue`` is sent
    when the action begins to wait for the first.

    :param incoming: that of the current request.
    """

    __slots__ = ("_connection", "_continues", "_head", "_parser", "incoming")

    def __init__(
        self, connection: ReceivingConnection, parser: BodyParser, head: Head, incoming: IncomingBody
    ) -> None:
        self._connection = connection
        self._parser = parser
        self._head: Final = head
        self._continues = head.block.expects_continue
        self.incoming: Final = incoming

    def start(self) -> Head:
        """Receive what is buffered already.

        :returns: the head, as it is to be answered: the connection is closed after a response that is sent
            before the body is complete.
        """
        incoming = self.incoming
        data = bytes(self._parser.buffer)
        self._parser.buffer.clear()
        if data:
            self.receive(data)
        incoming.on_change = self._changed
        if incoming.complete:
            return self._head
        return replace(self._head, block=replace(self._head.block, keep_alive=False))

    def receive(self, data: bytes) -> None:
        """Receive bytes from the client."""
        incoming = self.incoming
        if incoming.complete:
            self._parser.buffer += data
        elif not incoming.failed:
            try:
                self._parser.receive(incoming, data)
            except ServiceError as error:
                incoming.fail(error)
            if incoming.complete:
                self._connection.body_received(self._head)
        self._update()
        incoming.wake()

    def end(self) -> None:
        """The response is complete."""
        incoming = self.incoming
        incoming.on_change = incoming.on_wait = None
        incoming.close()
        if incoming.complete:
            self._parser.incoming = None

    def disconnected(self) -> None:
        """The connection is lost."""
        self.incoming.on_change = None
        self.incoming.fail(Cancelled())

    def _changed(self) -> None:
        if self._continues and self.incoming.awaited:
            self._continues = False
            if not self.incoming.received:
                self._connection.write(CONTINUE)
        self._update()

    def _update(self) -> None:
        self._connection.client.update()
        self._connection.update_reading()
