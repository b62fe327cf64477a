"""How the response to one request is written, if it is not there at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from msgspec import Struct
from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure

from unixsvc.domain.message import Reply
from unixsvc.domain.open_file import OpenFile
from unixsvc.domain.reply_head import ReplyHead
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.response import Response, encode_response, encode_stream_head
from unixsvc.rest.server.interfaces import ResponseWriter, WritableConnection
from unixsvc.transport.interfaces import ISocketWriting
from unixsvc.transport.socket_writer import SocketWriter

__all__ = ["ConnectionWriter", "Responder"]

_LAST_CHUNK: Final = b"0\r\n\r\n"
_UNCHUNKED: Final = b"HTTP/1.0"


class ConnectionWriter:
    """Writes the response to the request that a connection of this server processes.

    :param version: of the request.
    :ivar started: whether the head of a response was sent.
    :ivar progress: the number of bytes of the body that were handed to the transport or to the kernel, if
        the body is a file.
    """

    __slots__ = (
        "_chunked", "_connection", "_direct", "_disconnected", "_producer", "_version", "progress", "started",
    )  # fmt: skip

    def __init__(self, connection: WritableConnection, version: bytes) -> None:
        self._connection: WritableConnection | None = connection
        self._version = version
        self._chunked = version != _UNCHUNKED
        self._producer: IPushProducer | None = None
        self._disconnected: Callable[[], object] | None = None
        self._direct = False  # the body is written past the transport
        self.started = False
        self.progress = 0

    # What the gateway calls.

    @property
    def write_paused(self) -> bool:
        """Whether the client has not taken what was written before."""
        return self._connection is not None and self._connection.write_paused

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """Call a function if the client disconnects before the response is complete."""
        self._disconnected = callback

    def may_send(self, size: int) -> bool:
        """True if there is room for a large response; else the connection is aborted."""
        return self._connection is None or self._connection.may_send(size)

    def send(self, response: Response) -> None:
        """Write a whole response."""
        if (connection := self._connection) is not None:
            close = not connection.persistent
            connection.write(encode_response(response, self._version, close=close))
            self._done(connection)

    def start(self, response: Response, data: bytes = b"") -> None:
        """Write the head of a response whose length is not known, and the first part of its body."""
        self.started = True
        if (connection := self._connection) is not None:
            head = encode_stream_head(response, self._version, close=not connection.persistent)
            connection.write(head + self._framed(data))

    def start_body(self, response: Response) -> None:
        """Write the head of a response whose length is known; its body follows."""
        self._chunked, self.started = False, True
        if (connection := self._connection) is not None:
            head = encode_response(response, self._version, close=not connection.persistent)
            connection.write(head)

    def direct(self, response: Response) -> tuple[bytes, SocketWriter] | None:
        """The head of a response whose length is known, and what writes it and the body past the transport.

        None if the transport has something to write, or cannot do without.

        :raises OSError: if no file descriptor is left.
        """
        connection = self._connection
        if connection is None or not ISocketWriting.providedBy(connection.transport):
            return None
        socket_writer: SocketWriter | None = connection.transport.socket_writer()
        if socket_writer is None:
            return None
        self._chunked, self.started, self._direct = False, True, True
        return encode_response(response, self._version, close=not connection.persistent), socket_writer

    def blocked(self, is_blocked: bool) -> None:
        """Note whether the client takes nothing of what is written past the transport."""
        if self._connection is not None:
            self._connection.write_paused = is_blocked

    def sent(self, size: int) -> None:
        """Note how many bytes of a body were written."""
        self.progress += size
        if self._direct and self._connection is not None:
            self._connection.traffic.sent += size

    def write(self, data: bytes) -> None:
        """Write a part of the body."""
        if self._connection is not None and data:
            self._connection.write(self._framed(data))

    def finish(self) -> None:
        """End the body."""
        if (connection := self._connection) is not None:
            if self._chunked:
                connection.write(_LAST_CHUNK)
            self._done(connection)

    def cut_off(self) -> None:
        """Close the connection when all is written, without the end of the body."""
        if self._connection is not None:
            self._connection.loseConnection()

    def register(self, producer: IPushProducer) -> None:
        """Pause a producer while the client does not take what is written."""
        self._producer = producer

    def unregister(self) -> None:
        """Forget the producer."""
        self._producer = None

    # What the connection calls.

    def pauseProducing(self) -> None:
        """The transport's write buffer is full."""
        if self._producer is not None:
            self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        """The transport's write buffer has drained."""
        if self._producer is not None:
            self._producer.resumeProducing()

    def connectionLost(self, reason: Failure) -> None:
        """The client is disconnected."""
        disconnected = self._disconnected
        self._connection = self._producer = self._disconnected = None
        if disconnected is not None:
            disconnected()

    def _framed(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked and data else data

    def _done(self, connection: WritableConnection) -> None:
        self._connection = self._producer = self._disconnected = None
        connection.response_done()


class SendsFiles(Protocol):
    """Responds with the files of replies."""

    def respond(
        self,
        head: ReplyHead,
        file: OpenFile,
        context: ResponseContext,
        writer: ResponseWriter,
    ) -> Response | None:
        """Return the response; None if it is written already, or later."""


class Responder(Struct, frozen=True):
    """Responds to a request that was not answered at once.

    :ivar writer: writes the response.
    :ivar context: the parts of the request that decide how the response looks.
    :ivar builder: builds the response.
    :ivar files: responds with the files of replies; None where there are none.
    """

    writer: ResponseWriter
    context: ResponseContext
    builder: ResponseBuilder
    files: SendsFiles | None = None

    def send(self, reply: Reply) -> None:
        """Send a reply, and finish."""
        response: Response | None
        if self.files is not None and reply.head is not None and reply.head.file is not None:
            response = self.files.respond(reply.head, reply.head.file, self.context, self.writer)
        else:
            response = self.builder.from_reply(reply, self.context)
        if response is not None:
            self.writer.send(response)

    def send_stream_head(self, content_type: bytes, head: ReplyHead | None) -> None:
        """Send the head of a stream without items, and finish."""
        self.writer.send(self.builder.stream(content_type, self.context, head))

    def start_stream(self, content_type: bytes, data: bytes, head: ReplyHead | None) -> None:
        """Send the head of a stream, and its first bytes."""
        self.writer.start(self.builder.stream(content_type, self.context, head), data)
