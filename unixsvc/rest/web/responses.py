"""Responses through requests of twisted.web, of our own site or of another one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from twisted.internet.interfaces import IAddress, IPushProducer
from twisted.web.http import datetimeToString
from twisted.web.server import Request

from unixsvc.rest.response import REASONS, Response, header_pairs
from unixsvc.rest.server.request_head import Head, HeaderBlock
from unixsvc.rest.web.twisted_internals import is_write_paused, replace_headers

__all__ = [
    "WebRequestConnection",
    "WebWriter",
    "head_of",
    "remove_body_headers",
    "set_headers",
    "set_response",
]

_BODY_HEADERS: Final = (b"Content-Length", b"Content-Type", b"Cache-Control")


def set_response(request: Request, response: Response) -> bytes:
    """Set the status code and the headers of a response that twisted.web sends; the body is returned."""
    request.setResponseCode(response.code, REASONS.get(response.code, b"Unknown"))
    set_headers(request, response)
    return response.body


def set_headers(request: Request, response: Response) -> None:
    """Set the headers of a response that twisted.web sends, in the order in which a connection sends them."""
    headers = request.responseHeaders
    pairs = header_pairs(response.headers)
    replace_headers(headers, _kind_pairs(response.kind.block), pairs, datetimeToString())


def remove_body_headers(request: Request) -> None:
    """Remove what a route has set for a body that is not sent."""
    for name in _BODY_HEADERS:
        request.responseHeaders.removeHeader(name)


# The kinds are few.
_kind_pairs: Final = cache(header_pairs)


def head_of(request: Request) -> Head:
    """The head of a request of another site, whose path begins where it was traversed to."""
    target = request.uri
    if request.prepath:
        path, question_mark, query = target.partition(b"?")
        target = b"/" + b"/".join(path.split(b"/")[len(request.prepath) + 1 :]) + question_mark + query
    fields = {name: [*values] for name, values in request.requestHeaders.getAllRawHeaders()}
    return Head(request.method, target, request.clientproto, HeaderBlock(fields))


class WebRequestConnection:
    """A request of twisted.web on a site of others, as the gateway sees a connection.

    :param request: the request.
    """

    client = None  # the site knows its connections, and has no account of them

    def __init__(self, request: Request) -> None:
        self._request = request

    @property
    def peer(self) -> IAddress:
        """The address of the client."""
        address: IAddress = self._request.client
        return address

    @property
    def host(self) -> IAddress:
        """The address that the client has connected to."""
        address: IAddress = self._request.host
        return address

    @property
    def incoming(self) -> None:
        """None: twisted.web hands over whole bodies."""

    @property
    def secure(self) -> bool:
        """Whether the connection is encrypted."""
        return bool(self._request.isSecure())

    def writer(self, head: Head) -> WebWriter:
        """The writer of a response that is not there at once."""
        return WebWriter(self._request)

    @property
    def upgradable(self) -> None:
        """None: the site parses the requests."""
        return None

    def web_request(self, head: Head, body: bytes) -> Request:
        """The request itself."""
        return self._request


class WebWriter:
    """Writes a response through a request of twisted.web.

    :param request: the request.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._disconnected = False
        self._on_disconnect: Callable[[], object] | None = None

    @property
    def write_paused(self) -> bool:
        """Whether the client has not taken what was written before."""
        return is_write_paused(self._request)

    def on_disconnect(self, callback: Callable[[], object]) -> None:
        """Call a function if the client disconnects before the response is complete."""
        self._on_disconnect = callback
        self._request.notifyFinish().addErrback(self._lost)

    def may_send(self, size: int) -> bool:
        """Always true: the site limits what its connections hold."""
        return True

    def send(self, response: Response) -> None:
        """Write a whole response."""
        self.start(response, response.body)
        self.finish()

    def start(self, response: Response, data: bytes = b"") -> None:
        """Write the head of a response, and the first part of its body."""
        if not self._disconnected:
            set_response(self._request, response)
            self._request.write(data)

    def start_body(self, response: Response) -> None:
        """Write the head of a response whose length is known; its body follows."""
        self.start(response)

    def direct(self, response: Response) -> None:
        """None: twisted.web writes to the transport."""

    def blocked(self, is_blocked: bool) -> None:
        """Nothing: the site has the time-outs of its connections."""

    def sent(self, size: int) -> None:
        """Nothing, also."""

    def write(self, data: bytes) -> None:
        """Write a part of the body."""
        if not self._disconnected:
            self._request.write(data)

    def finish(self) -> None:
        """End the body."""
        if not self._disconnected:
            self._request.finish()

    def cut_off(self) -> None:
        """Close the connection when all is written, without the end of the body."""
        self._request.loseConnection()

    def register(self, producer: IPushProducer) -> None:
        """Pause a producer while the client does not take what is written."""
        self._request.registerProducer(producer, True)

    def unregister(self) -> None:
        """Forget the producer."""
        if not self._disconnected:
            self._request.unregisterProducer()

    def _lost(self, reason: object) -> None:
        self._disconnected = True
        if self._on_disconnect is not None:
            self._on_disconnect()
