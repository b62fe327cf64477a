"""Responses written through requests of twisted.web."""

from __future__ import annotations

from typing import Any, Final

from msgspec import Struct
from twisted.web.http import HTTPChannel, datetimeToString
from twisted.web.http_headers import Headers
from twisted.web.server import Request

from unixsvc.domain.message import Reply
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.response import REASONS, HeaderPairs, Response, encode_head, encode_response
from unixsvc.rest.server.request_head import has_close

__all__ = ["Responder", "ResponseChannel", "send", "set_headers", "set_response", "start_response"]

# Headers that twisted.web sets by itself, and that responses here set or leave out.
_REPLACED: Final = frozenset({b"Connection", b"Content-Type", b"Date", b"Server"})
_VERSIONS: Final = frozenset({b"HTTP/1.0", b"HTTP/1.1"})


def send(request: Any, response: Response) -> None:
    """Send a whole response and finish the request.

    :param request: of twisted.web, of our site or another one. ``Any``: twisted.web has no types for the
        channel, which is used here directly.
    """
    channel = getattr(request, "channel", None)
    if channel is None or request.clientproto not in _VERSIONS:
        start_response(request, response, response.body)
        request.finish()
        return
    # One write, past the Headers of twisted.web, which take half the time of a response there.
    others = [pair for pair in request.responseHeaders.getAllRawHeaders() if pair[0] not in _REPLACED]
    request.startedWriting = 1
    request.code = response.code
    request.sentLength = len(response.body)
    channel.write(encode_response(response, request.clientproto, others, close=not channel.persistent))
    request.finish()


def start_response(request: Request, response: Response, data: bytes = b"") -> None:
    """Send the head of a response through twisted.web.

    :param data: the first part of the body.
    """
    request.setResponseCode(response.code, REASONS.get(response.code, b"Unknown"))
    set_headers(request, response.kind.pairs + response.headers)
    request.write(data)


def set_response(request: Request, response: Response) -> bytes:
    """Set the status code and the headers of a response that twisted.web sends; the body is returned."""
    request.setResponseCode(response.code)
    set_headers(request, response.kind.pairs + response.headers)
    return response.body


def set_headers(request: Request, pairs: HeaderPairs) -> None:
    """Set headers of a response that twisted.web sends."""
    headers = request.responseHeaders
    headers.removeHeader(b"Server")
    if not headers.hasHeader(b"Date"):
        headers.setRawHeaders(b"Date", [datetimeToString()])
    for name, value in pairs:
        headers.setRawHeaders(name, [value])


class Responder(Struct, frozen=True):
    """Responds to a request that was not answered at once.

    :ivar request: of twisted.web.
    :ivar context: the parts of the request that decide how the response looks.
    :ivar builder: builds the response.
    """

    request: Request
    context: ResponseContext
    builder: ResponseBuilder

    def send(self, reply: Reply) -> None:
        """Send a reply, and finish."""
        send(self.request, self.builder.from_reply(reply, self.context))

    def send_stream_head(self, content_type: bytes) -> None:
        """Send the head of a stream without items, and finish."""
        send(self.request, self.builder.stream(content_type, self.context))

    def start_stream(self, content_type: bytes, data: bytes) -> None:
        """Send the head of a stream, and its first bytes."""
        start_response(self.request, self.builder.stream(content_type, self.context), data)


class ResponseChannel(HTTPChannel):
    """A channel of twisted.web that sends the head of a response together with its first bytes.

    Its methods are those that requests of twisted.web call.

    :ivar persistent: false if the connection is closed after the response.
    """

    transport: Any  # asyncio's and Twisted's transports have no type in common

    def __init__(self) -> None:
        super().__init__()
        self._unsent_head = b""

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Keep the head of a response until its first write, or :meth:`flush`."""
        close = has_close(headers.getRawHeaders(b"Connection", []))
        if close:
            self.persistent = False
        pairs = headers.getAllRawHeaders()
        close_header = not (close or self.persistent)
        self._unsent_head = encode_head(version, code, reason, pairs, close=close_header)

    def write(self, data: bytes) -> None:
        """Send; in one write with the head, if that is not sent yet."""
        if self._unsent_head:
            data, self._unsent_head = self._unsent_head + data, b""
        self.transport.write(data)

    def writeSequence(self, iovec: list[bytes]) -> None:
        """Send several pieces in one write."""
        self.write(b"".join(iovec))

    def flush(self) -> None:
        """Send the head, if it is not sent yet."""
        if self._unsent_head:
            self.write(b"")
