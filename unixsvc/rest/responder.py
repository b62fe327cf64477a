"""The response to a request that cannot be answered at once."""

from __future__ import annotations

from msgspec import Struct
from twisted.web.server import Request

from unixsvc.domain.message import Reply
from unixsvc.rest.encode import ResponseBuilder, ResponseContext
from unixsvc.rest.server.writer import send, start_response

__all__ = ["Responder"]


class Responder(Struct, frozen=True):
    """A request of twisted.web, with what it takes to respond to it.

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
