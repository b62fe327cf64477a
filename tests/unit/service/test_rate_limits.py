"""Rate limits of a whole service, of Klein routes, and by address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import svcs
from klein import Klein

from tests.unit.service.served import ServedCase, code_of
from unixsvc import GET, App, Basic, Conflict, Password, RateLimit
from unixsvc.config.http import Http
from unixsvc.limiting.service_rate import ServiceRate
from unixsvc.limiting.table import RateTable, SharedTable
from unixsvc.rest import rate_limit
from unixsvc.testing import MemoryService

HTTP = Http(token="off")
BEHIND = Http(token="off", trusted_proxies=("192.168.1.1",))


def show() -> str:
    """An action."""
    return "shown"


def limited(**options: Any) -> App:
    """An application with a limit for each address."""
    return App([GET("/a", show, public=True, rate_limit=RateLimit("1/day", per="address"))], **options)


class AddressTests(ServedCase):
    """Limits for each address."""

    def test_forged(self) -> None:
        """Headers of a client that is no trusted proxy do not change its address."""
        self.serve(limited(), http=HTTP)
        self.assertEqual(code_of(self.request("GET", "/a")), 200)
        for header in ("X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1", "X-Real-Ip: 192.0.2.1"):
            self.assertEqual(code_of(self.request("GET", "/a", header)), 429)

    def test_behind_proxy(self) -> None:
        """Behind a trusted proxy each client counts, by the address that the proxy has added."""
        self.serve(limited(), http=BEHIND)
        for address, code in (
            ("192.0.2.1", 200),
            ("192.0.2.2", 200),
            ("192.0.2.1", 429),
            ("7.7.7.7, 192.0.2.2", 429),
        ):
            self.assertEqual(code_of(self.request("GET", "/a", f"X-Forwarded-For: {address}")), code)

    def test_ipv6(self) -> None:
        """The addresses of one network of 64 bits count together."""
        self.serve(limited(), http=BEHIND)
        for address, code in (("2001:db8::1", 200), ("2001:db8::2", 429), ("2001:db8:0:1::1", 200)):
            self.assertEqual(code_of(self.request("GET", "/a", f"X-Forwarded-For: {address}")), code)

    def test_socket_meta(self) -> None:
        """On a socket, an address in meta is not that of the caller."""
        self.serve(limited())
        for number, code in ((1, b"shown"), (2, b'"code":429')):
            sent = b'{"path":"/a","method":"GET","meta":{"client_address":"192.0.2.%d"}}\n' % number
            self.assertIn(code, self.exchange(sent).replace(b" ", b""))

    def test_retry_after(self) -> None:
        """A 429 says when there is a token again."""
        self.serve(limited(), http=HTTP)
        self.request("GET", "/a")
        self.clock.advance(86_000)
        self.assertIn(b"\r\nRetry-After: 400\r\n", self.request("GET", "/a"))
        self.clock.advance(400)
        self.assertEqual(code_of(self.request("GET", "/a")), 200)

    def test_headers(self) -> None:
        """Each response has the policy and the state, and so has an error of the action, and a stream."""

        def sold() -> None:
            raise Conflict

        async def items() -> AsyncIterator[int]:
            yield 1

        limit = RateLimit("2/minute", per="address", name="two")
        routes = [
            GET("/a", show, public=True, rate_limit=limit),
            GET("/sold", sold, public=True, rate_limit=limit),
            GET("/items", items, public=True, rate_limit=limit),
        ]
        self.serve(App(routes), http=HTTP)
        for path, code in (("/a", 200), ("/sold", 409), ("/items", 200)):
            response = self.request("GET", path)
            self.clock.advance(0)
            response = self.transport.value()
            self.assertEqual(code_of(response), code)
            self.assertIn(b'\r\nRateLimit-Policy: "two";q=2;w=60\r\n', response)
            self.assertIn(b'\r\nRateLimit: "two";r=1;t=30\r\n', response)
        self.request("GET", "/a")
        refused = self.request("GET", "/a")
        self.assertIn(b'\r\nRateLimit: "two";r=0;t=30\r\n', refused)
        self.assertIn(b"\r\nRetry-After: 30\r\n", refused)

    def test_contract(self) -> None:
        """The contract of a limited route has the error 429."""
        contract: Any = self.successResultOf(MemoryService(limited()).get("/-/routes"))
        [route] = [each for each in contract["routes"] if each["path"] == "/a"]
        self.assertEqual([error["code"] for error in route["errors"]], [429])

    def test_head(self) -> None:
        """HEAD takes one token of the route for GET."""
        routes = [GET("/a", show, public=True, rate_limit=RateLimit("2/day"))]
        self.serve(App(routes), http=HTTP)
        codes = [code_of(self.request(method, "/a")) for method in ("HEAD", "HEAD", "HEAD")]
        self.assertEqual(codes, [200, 200, 429])


class ServiceLimitTests(ServedCase):
    """A limit over all routes of a service."""

    def test_all_routes(self) -> None:
        """It counts requests to routes, pages and paths without a route, but not to built-in routes."""

        def web(klein: Klein, container: svcs.Container) -> None:
            @klein.route("/page")
            def page(request: Any) -> str:
                return "page"

        app = App([GET("/a", show, public=True), GET("/b", show, public=True)], web=web)
        host = self.serve(app, http=HTTP, rate=ServiceRate("4/day", per="address"))
        paths = ("/a", "/b", "/page", "/nowhere", "/a", "/page", "/nowhere", "/-/ping")
        codes = [code_of(self.request("GET", path)) for path in paths]
        self.assertEqual(codes, [200, 200, 200, 404, 429, 429, 429, 200])
        self.assertEqual(host.metrics().all.codes[429], 3)
        self.assertEqual(host.stats().inflight, 0)

    def test_socket(self) -> None:
        """It works over a socket, with all callers together if the configuration says so."""
        self.serve(App([GET("/a", show, public=True)]), rate=ServiceRate("1/day", per="service"))
        replies = [self.exchange(b'{"path": "/a", "method": "GET"}\n') for _ in range(2)]
        self.assertEqual([b"429" in each for each in replies], [False, True])

    def test_page_headers(self) -> None:
        """The responses of pages have the headers of the limit, also the refusal."""

        def web(klein: Klein, container: svcs.Container) -> None:
            @klein.route("/page")
            def page(request: Any) -> str:
                return "page"

        self.serve(App([], web=web), http=HTTP, rate=ServiceRate("1/minute"))
        response = self.request("GET", "/page")
        self.assertIn(b'\r\nRatelimit-Policy: "service";q=1;w=60\r\n'.lower(), response.lower())
        self.assertIn(b'\r\nratelimit: "service";r=0;t=60\r\n', response.lower())


class PageLimitTests(ServedCase):
    """Limits of single Klein routes."""

    def setUp(self) -> None:
        """Define pages."""
        self.called: list[str] = []

        def web(klein: Klein, container: svcs.Container) -> None:
            @klein.route("/contact", methods=["POST"])
            @rate_limit(RateLimit("2/minute", per="address"))
            def contact(request: Any) -> str:
                self.called.append("contact")
                return "thanks"

            @klein.route("/async/<name>")
            @rate_limit(RateLimit("1/minute"))
            async def later(request: Any, name: str) -> str:
                return name

            @klein.route("/free")
            def free(request: Any) -> str:
                return "free"

        self.app = App([], web=web)

    def test_limited(self) -> None:
        """A page over its limit is 429 with the headers, and its function is not called."""
        host = self.serve(self.app, http=HTTP)
        responses = [self.request("POST", "/contact") for _ in range(3)]
        self.assertEqual([code_of(each) for each in responses], [200, 200, 429])
        self.assertEqual(len(self.called), 2)
        self.assertIn(b'ratelimit: "default";r=1;t=30', responses[0].lower())
        self.assertIn(b"\r\nRetry-After: 30\r\n", responses[2])
        self.assertIn(b'ratelimit: "default";r=0;t=30', responses[2].lower())
        self.assertIn(b"application/problem+json", responses[2])
        self.assertEqual(host.metrics().all.codes, {200: 2, 429: 1})
        self.clock.advance(30)
        self.assertEqual(code_of(self.request("POST", "/contact")), 200)

    def test_apart(self) -> None:
        """Each page has its own limit, whatever its variables; others have none."""
        self.serve(self.app, http=HTTP)
        codes = [code_of(self.request("GET", path)) for path in ("/async/a", "/async/b", "/free", "/free")]
        self.assertEqual(codes, [200, 429, 200, 200])


class WrongPasswordTests(ServedCase):
    def test_workers(self) -> None:
        """Wrong passwords count over all workers of a service."""

        def nobody(sent: Password) -> None:
            return None

        def hello() -> str:
            return "hello"

        shared = SharedTable()
        self.addCleanup(shared.close)
        codes = []
        for _ in range(2):
            app = App([GET("/", hello, requires=["all"])], authenticate=[Basic(nobody, max_failures=3)])
            self.serve(app, http=Http(docs=False), table=lambda: RateTable(shared.fileno()))
            codes += [code_of(self.request("GET", "/", "Authorization: Basic YTpi")) for _ in range(2)]
        self.assertEqual(codes, [401, 401, 401, 429])
