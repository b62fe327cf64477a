"""The gateway behind a reverse proxy."""

from __future__ import annotations

from typing import Any

import msgspec
from klein import Klein
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from unixsvc.config.http import Http
from unixsvc.domain.message import Request
from unixsvc.routing.route import GET

SOCKET = UNIXAddress("/run/web.sock")
PORT = IPv4Address("TCP", "192.168.1.2", 8080)
CLIENT = "203.0.113.9"
PEER = "192.168.1.1"  # of MemoryTransport, for an address with a port
FORWARDED = {"X-Forwarded-For": CLIENT, "X-Forwarded-Proto": "https"}


async def meta(request: Request) -> dict[str, str]:
    """An action."""
    return request.meta


def page(request: Any) -> dict[str, Any]:
    """A Klein route: where it takes itself and the client to be."""
    return {
        "client": getattr(request.getClientAddress(), "host", None),
        "secure": request.isSecure(),
        "url": str(request.URLPath()),
    }


def add_pages(app: Klein) -> None:
    """Add the route."""
    app.route("/page")(page)


class ReverseProxyTests(SynchronousTestCase):
    def request(self, path: str, address: Any, trusted: tuple[str, ...] = (), host: str = "a.example") -> Any:
        """The data of the response to a forwarded request."""
        http = Http(docs=False, trusted_proxies=trusted)
        harness = GatewayHarness(GET("/meta", meta, public=True), http=http, web=add_pages)
        lines = "".join(f"{name}: {value}\r\n" for name, value in {"Host": host, **FORWARDED}.items())
        client = RawClient(harness.site, address)
        client.channel.dataReceived(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        return msgspec.json.decode(client.received().partition(b"\r\n\r\n")[2])

    def test_action(self) -> None:
        """An action finds the address of the client in ``meta``."""
        for address, trusted in ((SOCKET, "unix"), (PORT, PEER)):
            found = self.request("/meta", address, (trusted,))
            self.assertEqual(found, {"client_address": CLIENT})

    def test_action_without_proxy(self) -> None:
        """A client that is not trusted cannot choose its address; by default no proxy is."""
        for address, trusted, expected in (
            (SOCKET, (), {}), (PORT, (), {}), (SOCKET, (PEER,), {}),
            (PORT, ("unix",), {"client_address": PEER}),
        ):  # fmt: skip
            found = self.request("/meta", address, trusted)
            self.assertEqual(found, expected)

    def test_page(self) -> None:
        """A Klein route gets client, scheme and port as the client sees them."""
        for host in ("shop.example", "shop.example:8443", "203.0.113.7:8443"):
            for address, trusted in ((SOCKET, "unix"), (PORT, PEER)):
                found = self.request("/page", address, (trusted,), host)
                url = f"https://{host}/page"
                self.assertEqual(found, {"client": CLIENT, "secure": True, "url": url})

    def test_page_on_unix_socket(self) -> None:
        """On a Unix socket a route can make URLs, with the port of ``Host``, also without a trusted proxy."""
        for host in ("shop.example", "shop.example:8080", "localhost"):
            found = self.request("/page", SOCKET, host=host)
            self.assertEqual(found, {"client": None, "secure": False, "url": f"http://{host}/page"})

    def test_page_on_port(self) -> None:
        """Over TCP without a trusted proxy, scheme and port are those of the connection."""
        found = self.request("/page", PORT, host="shop.example")
        self.assertEqual(found, {"client": PEER, "secure": False, "url": "http://shop.example:8080/page"})
