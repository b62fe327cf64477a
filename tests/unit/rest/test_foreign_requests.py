"""Requests that pages of other sites make a browser send."""

from __future__ import annotations

from typing import Any

from klein import Klein
from twisted.internet.address import IPv4Address
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.rest.http_requests import TOKEN, GatewayHarness, RawClient
from unixsvc.config.http import Cors, Http
from unixsvc.routing.route import GET, POST, Group, Route

LOOPBACK = IPv4Address("TCP", "127.0.0.1", 80)
PUBLIC = IPv4Address("TCP", "10.0.0.7", 80)
EVIL = "https://evil.example"
PEER = "192.168.1.1"  # of MemoryTransport


class ForeignRequestTests(SynchronousTestCase):
    """At the gateway, before routes and pages."""

    def setUp(self) -> None:
        """Create a gateway that counts the calls of its actions."""
        self.calls: list[str] = []

    def gateway(self, **http: Any) -> GatewayHarness:
        """A gateway with public routes, a page of its own, and the documentation."""

        async def read() -> str:
            self.calls.append("read")
            return "read"

        async def change() -> str:
            self.calls.append("change")
            return "changed"

        def add_pages(app: Klein) -> None:
            app.route("/page", methods=["POST"])(lambda request: self.calls.append("page"))

        routes: list[Group | Route] = [GET("/x", read, public=True), POST("/x", change, public=True)]
        return GatewayHarness(*routes, http=Http(**http), web=add_pages)

    def test_host(self) -> None:
        """Routes, pages, the documentation and preflights of another host are 421; no action is called."""
        there = self.gateway(cors=Cors(origins=(EVIL,)))
        preflight = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
        for method, path, headers in (
            ("GET", "/x", {}), ("POST", "/x", {}), ("POST", "/page", {}), ("GET", "/docs", {}),
            ("GET", "/openapi.json", {}), ("GET", "/-/health", {}), ("OPTIONS", "/x", preflight),
        ):  # fmt: skip
            for token in (None, TOKEN):
                found = there.request(method, path, token, headers={"Host": "evil.example", **headers})
                self.assertEqual(
                    (found.code, found.json["title"]), (421, "Misdirected request"), (method, path)
                )
                self.assertIn("allowed_hosts", found.json["detail"])
        self.assertEqual(self.calls, [])
        self.assertEqual(there.request("GET", "/x", headers={"Host": "127.0.0.1:8080"}).code, 200)

    def test_listed_host(self) -> None:
        """A host that the configuration lists is served; the names of the loopback interface then are not."""
        there = self.gateway(allowed_hosts=("api.example.org",))
        self.assertEqual(there.request("GET", "/x", headers={"Host": "api.example.org"}).code, 200)
        self.assertEqual(there.request("GET", "/x").code, 421)

    def test_keep_alive(self) -> None:
        """Each request of a connection is checked, and the connection stays open."""
        client = RawClient(self.gateway().site, LOOPBACK)
        for host, code in (("localhost", b"200"), ("evil.example", b"421"), ("localhost", b"200")):
            client.channel.dataReceived(b"GET /x HTTP/1.1\r\nHost: %b\r\n\r\n" % host.encode())
            self.assertEqual(client.received().split(b" ")[1], code)

    def test_two_addresses(self) -> None:
        """A host that was accepted at one address is checked again at another."""
        site = self.gateway().site
        for address, code in ((PUBLIC, b"200"), (LOOPBACK, b"421"), (PUBLIC, b"200"), (LOOPBACK, b"421")):
            client = RawClient(site, address)
            client.channel.dataReceived(b"GET /x HTTP/1.1\r\nHost: evil.example\r\n\r\n")
            self.assertEqual(client.received().split(b" ")[1], code)

    def test_no_host(self) -> None:
        """A request without a host, as HTTP/1.0 allows, is served: no browser sends it."""
        client = RawClient(self.gateway(allowed_hosts=("api.example.org",)).site, LOOPBACK)
        client.channel.dataReceived(b"GET /x HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", client.received())

    def test_absolute_target(self) -> None:
        """The host of an absolute target counts, whatever ``Host`` is."""
        client = RawClient(self.gateway().site, LOOPBACK)
        client.channel.dataReceived(b"GET http://evil.example/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertIn(b" 421 ", client.received())

    def test_other_origin(self) -> None:
        """A page of another origin cannot change anything, on public routes and on own pages: 403."""
        there = self.gateway()
        for path in ("/x", "/page", "/missing"):
            for headers in ({"Origin": EVIL}, {"Sec-Fetch-Site": "cross-site"}):
                for token in (None, TOKEN):
                    found = there.request("POST", path, token, headers=headers)
                    self.assertEqual((found.code, found.json["title"]), (403, "Forbidden"))
                    self.assertIn("[http.cors]", found.json["detail"])
                    self.assertIsNone(found.header("Access-Control-Allow-Origin"))
        self.assertEqual(self.calls, [])
        for headers in ({}, {"Origin": "http://localhost"}, {"Sec-Fetch-Site": "same-origin"}):
            self.assertEqual(there.request("POST", "/x", headers=headers).code, 200)

    def test_own_form(self) -> None:
        """A page of the application lets a browser send its forms with an ``Origin``."""
        found = self.gateway().request("POST", "/page")
        self.assertEqual((found.code, found.header("Referrer-Policy")), (200, "same-origin"))

    def test_logged(self) -> None:
        """Refusals are logged with the client and a bounded part of the header, at a limited rate."""
        for method, headers, text in (
            ("GET", "Host: evil.example", "(421): its Host is 'evil.example'"),
            ("POST", f"Host: localhost\r\nOrigin: {EVIL}", f"(403): its Origin is '{EVIL}'"),
            (
                "POST",
                "Host: localhost\r\nSec-Fetch-Site: cross-site",
                "(403): its Sec-Fetch-Site is 'cross-site'",
            ),
            ("POST", f"Host: localhost\r\nOrigin: {'x' * 4000}", f"(403): its Origin is '{'x' * 299}…'"),
        ):  # fmt: skip
            client = RawClient(self.gateway().site, LOOPBACK)
            for number in range(30):
                with capturedLogs() as events:
                    client.channel.dataReceived(f"{method} /x HTTP/1.1\r\n{headers}\r\n\r\n".encode())
                if number == 0:
                    [event] = events
                    self.assertEqual(formatEvent(event), f"a request from {PEER} was refused {text}")
                    self.assertEqual(event["log_level"], LogLevel.warn)
            self.assertEqual(list(events), [])

    def test_reading(self) -> None:
        """A page of another origin may send requests that change nothing; CORS withholds the response."""
        found = self.gateway().request("GET", "/x", headers={"Origin": EVIL, "Sec-Fetch-Site": "cross-site"})
        self.assertEqual((found.code, found.header("Access-Control-Allow-Origin")), (200, None))

    def test_listed_origin(self) -> None:
        """An origin of ``[http.cors]`` may change something."""
        there = self.gateway(cors=Cors(origins=(EVIL,)))
        headers = {"Origin": EVIL, "Sec-Fetch-Site": "cross-site"}
        self.assertEqual(there.request("POST", "/x", headers=headers).code, 200)
