"""HTTP requests from bytes, with strict limits. Pure."""

from __future__ import annotations

from collections.abc import Callable

from unixsvc.domain.body_spec import MAX_BODY, MAX_MESSAGE, BodySpec
from unixsvc.errors import ServiceError, TooLarge
from unixsvc.rest.server.body.chunked import ChunkedBody
from unixsvc.rest.server.body.incoming import IncomingBody
from unixsvc.rest.server.request_head import Head, check_partial_head, parse_head
from unixsvc.rest.server.usual_head import UsualHeads

__all__ = ["RequestParser"]


class RequestParser:
    """Parses the requests of one connection.

    :param max_head: the longest head, in bytes.
    :param max_body: the longest body, in bytes.
    :param usual: parses most heads, and remembers their fields for all connections.
    :param find_spec: finds how the route of a request takes the body; None if all take a short one.
    :ivar buffer: the bytes that have been received and not parsed yet. The connection appends to it.
    :ivar head: of the request whose body is awaited or was rejected; None between requests.
    :ivar incoming: the body of the current request if its action reads it while it arrives; :meth:`next`
        returns None then.
    """

    __slots__ = (
        "_chunks",
        "_find_spec",
        "_max_body",
        "_max_head",
        "_scanned",
        "_skipped_crlf",
        "_usual",
        "buffer",
        "head",
        "incoming",
    )

    def __init__(
        self,
        max_head: int,
        max_body: int,
        usual: UsualHeads,
        find_spec: Callable[[Head], BodySpec | None] | None = None,
    ) -> None:
        self._usual = usual
        self._find_spec = find_spec
        self.incoming: IncomingBody | None = None
        self.buffer = bytearray()
        self.head: Head | None = None
        self._max_head = max_head
        self._max_body = max_body
        self._scanned = 0  # the number of bytes of an incomplete head that have been checked
        self._skipped_crlf = False  # before the current request
        self._chunks: ChunkedBody | None = None

    @property
    def held(self) -> int:
        """The number of bytes that have been received of requests that are not complete."""
        size = len(self.buffer) + (0 if self._chunks is None else len(self._chunks.data))
        return size if self.incoming is None else size + self.incoming.held

    def clear(self) -> None:
        """Drop the buffer and the current request."""
        self.buffer.clear()
        self.head = self._chunks = self.incoming = None

    def take(self, data: bytes) -> tuple[Head, bytes] | None:
        """Receive bytes between two requests, when the buffer is empty; the rest is as for :meth:`next`."""
        try:
            found = self._usual.parse(data)
        except ServiceError:
            self.buffer += data  # for the access log
            raise
        if found is None:
            self.buffer += data
            return self.next()
        head, size = found
        length, rest = head.block.length, len(data) - size
        if length == rest <= self._max_body:
            self._skipped_crlf = False
            return head, data[size:]
        self.buffer += data[size:]
        self._begin(head)
        return self.next()

    def next(self) -> tuple[Head, bytes] | None:
        """The next request with its body; None if the buffer has no complete one.

        :raises unixsvc.errors.ServiceError: if the request is rejected.
        """
        head = self.head
        if head is None:
            if not self.buffer:  # after each request but the last of a pipeline
                return None
            head = self._take_head()
            if head is None:
                return None
        body = self._take_body(head)
        if body is None:
            return None
        self.head = self._chunks = None
        self._skipped_crlf = False
        return head, body

    def receive(self, incoming: IncomingBody, data: bytes) -> None:
        """Receive bytes of a body that the action reads; what follows the body is buffered.

        :param incoming: that of the current request.
        :raises unixsvc.errors.ServiceError: if the body is too large or malformed.
        """
        remaining = incoming.remaining or 0
        if self._chunks is not None:
            self.buffer += data
            complete = self._chunks.take(self.buffer)
            if self._chunks.data:
                incoming.add(self._chunks.take_data())
            incoming.complete = complete
        elif len(data) > remaining:
            incoming.add(data[:remaining])
            self.buffer += data[remaining:]
        else:
            incoming.add(data)
        if incoming.complete:
            self.head = self._chunks = None
            self._skipped_crlf = False

    def _take_head(self) -> Head | None:
        buffer = self.buffer
        if not self._skipped_crlf and buffer.startswith(b"\r\n"):  # RFC 9112 asks to skip one
            del buffer[:2]
            self._skipped_crlf = True
        end = buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0:
            check_partial_head(buffer, self._scanned, self._max_head)
            self._scanned = len(buffer)
            return None
        head = parse_head(bytes(buffer[:end]), self._max_head)
        del buffer[: end + 4]
        self._scanned = 0
        self._begin(head)
        return head

    def _begin(self, head: Head) -> None:
        self.head = head
        length, limit, setting = head.block.length, self._max_body, MAX_MESSAGE
        spec = None if self._find_spec is None or length == 0 else self._find_spec(head)
        if spec is not None and spec.max_body is not None:
            limit, setting = spec.max_body, MAX_BODY
        if length is None:
            self._chunks = ChunkedBody(limit, self._max_head, setting)
        elif length > limit:
            raise TooLarge(limit, setting)
        if spec is not None and spec.arrives_later:
            self.incoming = IncomingBody(length)

    def _take_body(self, head: Head) -> bytes | None:
        if self.incoming is not None:
            return None
        buffer = self.buffer
        if self._chunks is not None:
            return bytes(self._chunks.data) if self._chunks.take(buffer) else None
        if not head.block.length:
            return b""
        if len(buffer) < head.block.length:
            return None
        body = bytes(buffer[: head.block.length])
        del buffer[: head.block.length]
        return body
