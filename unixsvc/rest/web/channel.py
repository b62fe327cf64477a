"""What a request of twisted.web writes to: the channel of one of our connections."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.interfaces import IAddress
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.server import Request, Site

from unixsvc.rest.response import encode_head
from unixsvc.rest.server.interfaces import WritableConnection
from unixsvc.rest.server.request_head import Head, has_close
from unixsvc.rest.web.request import HttpRequest
from unixsvc.rest.web.twisted_internals import take_over_reading

__all__ = ["WebChannel", "WebConnection"]


class WebConnection(WritableConnection, Protocol):
    """A connection, as the channel sees it.

    :ivar peer: the address of the client.
    :ivar host: the address that the client has connected to.
    """

    peer: IAddress
    host: IAddress

    def abort(self) -> None:
        """Close now."""


class WebChannel(HTTPChannel):
    """Writes responses of twisted.web to a connection, each head together with its first bytes.

    Requests register producers and ask for addresses, which twisted.web's channel knows how to do. It reads
    nothing: the connection does.

    :param site: of twisted.web.
    :param connection: the connection; it has a channel only once a request of twisted.web is made for it.
    """

    def __init__(self, site: Site, connection: WebConnection) -> None:
        super().__init__()
        self._connection = connection
        self.factory = self.site = site
        self.transport: Any = connection.transport
        self._unsent_head = b""
        take_over_reading(self, connection.transport)

    def request(self, head: Head, body: bytes) -> HttpRequest:
        """Make a request, which writes its response itself."""
        if self._connection.write_paused:
            self.pauseProducing()
        else:
            self.resumeProducing()
        request = HttpRequest(self)
        self.requests.append(request)
        request.take(head, body)
        return request

    @property
    def persistent(self) -> bool:  # type: ignore[override]  # an attribute in twisted.web
        """Whether the connection stays open after the response."""
        return self._connection.persistent

    def getPeer(self) -> IAddress:
        """The client's address, from a cache: each request asks, and the transport makes a system call."""
        return self._connection.peer

    def getHost(self) -> IAddress:
        """The address that the client has connected to, from a cache."""
        return self._connection.host

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Headers) -> None:
        """Keep the head of a response until its first write, or :meth:`flush`."""
        close = has_close(headers.getRawHeaders(b"Connection", []))
        if close:
            self._connection.persistent = False
        pairs = headers.getAllRawHeaders()
        close_header = not (close or self._connection.persistent)
        self._unsent_head = encode_head(version, code, reason, pairs, close=close_header)

    def write(self, data: bytes) -> None:
        """Send; in one write with the head, if that is not sent yet."""
        if self._unsent_head:
            data, self._unsent_head = self._unsent_head + data, b""
        self._connection.write(data)

    def writeSequence(self, iovec: list[bytes]) -> None:
        """Send several pieces in one write."""
        self.write(b"".join(iovec))

    def flush(self) -> None:
        """Send the head, if it is not sent yet."""
        if self._unsent_head:
            self.write(b"")

    def requestDone(self, request: Request) -> None:
        """A response is complete."""
        self.requests.remove(request)
        self._connection.response_done()

    def loseConnection(self) -> None:
        """Close when all is sent."""
        self._connection.loseConnection()

    def abort(self) -> None:
        """Close now."""
        self._connection.abort()
