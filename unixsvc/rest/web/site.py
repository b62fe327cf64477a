"""The factory of HTTP connections."""

from __future__ import annotations

from functools import partial

from twisted.internet.interfaces import IAddress
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from unixsvc.rest.server.connections import HttpConnections
from unixsvc.rest.server.interfaces import RequestGateway
from unixsvc.rest.server.protocol import HttpProtocol
from unixsvc.rest.web.channel import WebChannel
from unixsvc.rest.web.request import HttpRequest

__all__ = ["HttpSite"]


class HttpSite(Site):
    """Makes the server's side of HTTP connections. It is a site of twisted.web, as sessions need one.

    :param gateway: answers all requests.
    :param connections: the registry for the connections that it makes.
    """

    noisy = False
    requestFactory = HttpRequest

    def __init__(self, gateway: RequestGateway, connections: HttpConnections) -> None:
        super().__init__(Resource(), reactor=connections.reactor, timeout=None)
        self._gateway = gateway
        self._connections = connections
        self._make_channel = partial(WebChannel, self)

    def startFactory(self) -> None:
        """Do nothing: twisted.web opens an access log here, with a timer of its own."""

    def stopFactory(self) -> None:
        """Do nothing: there is no access log to close."""

    def log(self, request: Request) -> None:
        """Do nothing: requests are counted, not logged."""

    def buildProtocol(self, addr: IAddress | None) -> HttpProtocol:  # type: ignore[override]
        """Make a connection. twisted.web's own puts a protocol in front of it that can switch to HTTP/2."""
        return HttpProtocol(self._gateway, self._connections, self._make_channel)

    def acceptableProtocols(self) -> list[bytes]:
        """The protocols for ALPN."""
        return [b"http/1.1"]
