"""Parameters that get the client of a request."""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import GatewayHarness, RawClient
from tests.unit.routing.parameters.asking import Asked
from unixsvc import App, ClientInfo, Request
from unixsvc.config.http import Http
from unixsvc.domain.message import Caller, Peer
from unixsvc.routing.parameters.client_info import client_of
from unixsvc.routing.route import GET
from unixsvc.testing import MemoryHttp, MemoryService

SOCKET = UNIXAddress("/run/web.sock")
PORT = IPv4Address("TCP", "192.168.1.2", 8080)
PEER = "192.168.1.1"  # of MemoryTransport
CLIENT = "203.0.113.9"


def whoami(client: ClientInfo) -> ClientInfo:
    """An action."""
    return client


class ClientInfoTests(SynchronousTestCase):
    def found(
        self, *headers: str, address: object = SOCKET, secure: bool = False, **options: Any
    ) -> ClientInfo:
        """What an action gets.

        :param address: on which the gateway listens.
        :param options: of ``[http]``.
        """
        http = Http(docs=False, **options)
        harness = GatewayHarness(GET("/", whoami, public=True), http=http)
        client = RawClient(harness.site, address)
        client.channel.secure |= secure
        lines = "".join(f"{each}\r\n" for each in ("Host: a.example", *headers))
        client.channel.dataReceived(f"GET / HTTP/1.1\r\n{lines}\r\n".encode())
        return msgspec.json.decode(client.received().partition(b"\r\n\r\n")[2], type=ClientInfo)

    def test_direct(self) -> None:
        """Without a proxy, address and port are those of the connection, whatever the headers say."""
        forged = (f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Proto: https", f"Forwarded: for={CLIENT}")
        expected = ClientInfo(PEER, 54321, False, "a.example")
        self.assertEqual(self.found(*forged, address=PORT), expected)
        self.assertEqual(self.found(*forged), ClientInfo(host="a.example"))

    def test_tls(self) -> None:
        """A connection with TLS is secure; behind a proxy, that of its client counts."""
        self.assertTrue(self.found(secure=True).secure)
        trusted: Any = {"trusted_proxies": (PEER,)}
        self.assertTrue(self.found(address=PORT, secure=True, **trusted).secure)
        header = f"X-Forwarded-For: {CLIENT}"
        self.assertFalse(self.found(header, address=PORT, secure=True, **trusted).secure)

    def test_proxy(self) -> None:
        """Behind a trusted proxy they are those of its client, with its scheme."""
        found = self.found(
            f"X-Forwarded-For: {CLIENT}:4711", "X-Forwarded-Proto: https", trusted_proxies=("unix",)
        )
        self.assertEqual(found, ClientInfo(CLIENT, 4711, True, "a.example"))
        found = self.found(f"X-Forwarded-For: {CLIENT}", address=PORT, trusted_proxies=(PEER,))
        self.assertEqual(found, ClientInfo(CLIENT, 0, False, "a.example"))

    def test_forwarded(self) -> None:
        """With ``proxy_header`` it is the header of RFC 7239, and only that."""
        options: Any = {"trusted_proxies": ("unix",), "proxy_header": "forwarded"}
        headers = (f'Forwarded: for="{CLIENT}:80";proto=https', "X-Forwarded-For: 1.2.3.4")
        self.assertEqual(self.found(*headers, **options), ClientInfo(CLIENT, 80, True, "a.example"))
        self.assertEqual(self.found(headers[1], **options), ClientInfo(host="a.example"))

    def test_forwarded_host(self) -> None:
        """A forwarded host counts only if it is listed: proxies forward it as the client has sent it."""
        headers = (f"X-Forwarded-For: {CLIENT}", "X-Forwarded-Host: shop.example")
        trusted: Any = {"trusted_proxies": ("unix",)}
        self.assertEqual(self.found(*headers, **trusted).host, "a.example")
        for allowed in ("shop.example", "*.example"):
            found = self.found(*headers, allowed_hosts=(allowed, "a.example"), **trusted)
            self.assertEqual(found.host, "shop.example")
        found = self.found(*headers, allowed_hosts=("a.example", "b.example"), **trusted)
        self.assertEqual(found.host, "a.example")

    def test_socket(self) -> None:
        """On a socket it is the user of the process; the address is believed from trusted callers only."""
        request = Request("GET", "/", meta={"client_address": CLIENT}, caller=Caller(Peer(uid=1000)))
        self.assertEqual(client_of(request), ClientInfo(uid=1000))
        caller = Caller(Peer(uid=1000), trusted=True)
        self.assertEqual(
            client_of(msgspec.structs.replace(request, caller=caller)), ClientInfo(CLIENT, uid=1000)
        )

    def test_mount(self) -> None:
        """A mounted service gets the address of the client of the gateway."""
        inner = MemoryService(App([GET("/who", whoami)]))
        http = MemoryHttp(App([]), mounts={"/who": "inner"}, services={"inner": inner})
        self.assertEqual(http.get("/who").wait().json()["address"], PEER)

    def test_contract(self) -> None:
        """It is not part of the API."""
        self.assertEqual(Asked(whoami, "GET").contract()["parameters"], [])
