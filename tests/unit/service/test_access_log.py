"""The access log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import svcs
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.logger import LogEvent, capturedLogs
from twisted.python.failure import Failure

from tests.unit.service.served import ServedCase, code_of
from unixsvc import GET, App, Conflict, Request
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits
from unixsvc.domain.message import Caller, Grant, Peer
from unixsvc.telemetry.access.entry import NAMESPACE
from unixsvc.telemetry.access.log import AccessLog

HTTP = Http(token="off", trusted_proxies=("unix", "192.168.1.1"))


class AccessLogTests(ServedCase):
    """Which requests are logged, and what of them."""

    def setUp(self) -> None:
        """Define an application."""
        self.waits: Deferred[str] = Deferred()

        def show(id: int) -> int:
            return id

        async def wait() -> str:
            return await self.waits

        async def items() -> AsyncIterator[int]:
            yield 10
            yield 200

        def sold() -> None:
            raise Conflict

        def fail() -> None:
            raise ValueError

        def web(klein: Klein, container: svcs.Container) -> None:
            @klein.route("/page/<name>", methods=["GET"])
            def page(request: Any, name: str) -> Any:
                return self.waits if name == "wait" else f"page {name}"

        routes = [
            GET("/show/{id:int}", show, public=True),
            GET("/wait", wait, public=True),
            GET("/items", items, public=True),
            GET("/sold", sold, public=True),
            GET("/fail", fail, public=True),
        ]
        self.app = App(routes, web=web)

    def logged(self, function: Any, *arguments: Any) -> list[LogEvent]:
        """The events of the access log during a call."""
        with capturedLogs() as events:
            function(*arguments)
        return [each for each in events if each["log_namespace"] == NAMESPACE]

    def test_probes(self) -> None:
        """Health checks are not logged, with whatever code."""
        self.serve(self.app, http=Http(token="required"), access="all")
        for path in "/-/live", "/-/ready", "/-/health":
            self.assertEqual(self.logged(self.request, "GET", path), [])
        [event] = self.logged(self.request, "GET", "/-/ping")
        self.assertEqual(event["fields"]["code"], 401)

    def test_http(self) -> None:
        """An HTTP request is one event with its fields; the query is not part of it."""
        self.serve(self.app, http=HTTP, access="all")
        [event] = self.logged(self.request, "GET", "/show/7?token=secret", "X-Request-Id: r1")
        self.assertEqual(event["request_id"], "r1")
        self.assertEqual(
            event["fields"],
            {
                "service": "shop",
                "worker": 1,
                "method": "GET",
                "path": "/show/7",
                "route": "GET /show/{id:int}",
                "code": 200,
                "ms": 0.0,
                "bytes": 1,
                "caller": None,
                "address": "192.168.1.1",
            },
        )

    def test_socket(self) -> None:
        """So is a request over a socket, without an address that the caller could have chosen."""
        self.serve(self.app, access="all")
        data = b'{"path": "/show/7", "method": "GET", "meta": {"client_address": "192.0.2.1"}}\n'
        [event] = self.logged(self.exchange, data)
        self.assertEqual((event["fields"]["code"], event["fields"].get("address")), (200, None))

    def test_waits(self) -> None:
        """An action that waits is logged at its end, with its time."""
        self.serve(self.app, http=HTTP, access="all")
        self.assertEqual(self.logged(self.request, "GET", "/wait"), [])
        self.clock.advance(1.5)
        [event] = self.logged(self.waits.callback, "done")
        self.assertEqual((event["fields"]["ms"], event["fields"]["bytes"]), (1500.0, 6))

    def test_disconnected(self) -> None:
        """A client that has disconnected is 499."""
        self.serve(self.app, http=HTTP, access="all")
        self.request("GET", "/wait")
        [event] = self.logged(self.connection.connectionLost, Failure(ConnectionDone()))
        self.assertEqual(event["fields"]["code"], 499)

    def test_stream(self) -> None:
        """A stream is one event at its end, with the size of its items."""
        self.serve(self.app, http=HTTP, access="all")

        def read() -> None:
            self.request("GET", "/items")
            self.clock.advance(0)

        [event] = self.logged(read)
        self.assertEqual((event["fields"]["code"], event["fields"]["bytes"]), (200, 5))

    def test_refused_stream(self) -> None:
        """A stream that a socket client without an id requests is one event."""
        self.serve(self.app, access="all")
        [event] = self.logged(self.exchange, b'{"path": "/items", "method": "GET"}\n')
        self.assertEqual((event["fields"]["code"], event["fields"]["bytes"]), (400, 0))

    def test_page(self) -> None:
        """A Klein route is logged with its pattern and the size of its body; no route as 404."""
        self.serve(self.app, http=HTTP, access="all")
        [event] = self.logged(self.request, "GET", "/page/a")
        fields = event["fields"]
        self.assertEqual(
            (fields["code"], fields["bytes"], fields["route"], fields["path"]),
            (200, 6, "GET /page/<name>", "/page/a"),
        )
        for target, code in (("/nowhere", 404), ("/page/%ff", 400)):
            [event] = self.logged(self.request, "GET", target)
            self.assertEqual((event["fields"]["code"], event["fields"]["route"]), (code, None))

    def test_page_disconnected(self) -> None:
        """A page whose client has disconnected is 499."""
        self.serve(self.app, http=HTTP, access="all")
        self.request("GET", "/page/wait")
        [event] = self.logged(self.connection.connectionLost, Failure(ConnectionDone()))
        self.assertEqual(event["fields"]["code"], 499)

    def test_refused_page(self) -> None:
        """A page that is refused because of max_inflight is logged."""
        self.serve(self.app, http=HTTP, access="all", limits=Limits(max_inflight=1))
        self.request("GET", "/page/wait")
        [event] = self.logged(self.request, "GET", "/page/b")
        self.assertEqual((event["fields"]["code"], event["fields"]["path"]), (503, "/page/b"))

    def test_proxy(self) -> None:
        """Behind a trusted proxy, the address is that of the client."""
        self.serve(self.app, http=HTTP, access="all")
        for path in ("/show/7", "/page/a"):
            [event] = self.logged(self.request, "GET", path, "X-Forwarded-For: 192.0.2.7")
            self.assertEqual(event["fields"]["address"], "192.0.2.7")

    def test_head(self) -> None:
        """HEAD is one event."""
        self.serve(self.app, http=HTTP, access="all")
        [event] = self.logged(self.request, "HEAD", "/show/7")
        self.assertEqual(event["fields"]["code"], 200)

    def test_errors(self) -> None:
        """``errors`` logs replies with a code of 400 or more."""
        self.serve(self.app, http=HTTP, access="errors")
        codes = [
            event["fields"]["code"]
            for path in ("/show/7", "/sold", "/nowhere", "/fail", "/page/a")
            for event in self.logged(self.request, "GET", path)
        ]
        self.assertEqual(codes, [409, 404, 500])
        self.flushLoggedErrors(ValueError)

    def test_off(self) -> None:
        """By default there is no access log."""
        self.serve(self.app, http=HTTP)
        self.assertEqual(self.logged(self.request, "GET", "/sold"), [])

    def test_callers(self) -> None:
        """The caller is a user of the machine, else a token, else null, at each of their requests."""
        callers = {
            "uid:1000": Caller(Peer(uid=1000), grant=Grant("ci")),
            "token:ci": Caller(grant=Grant("ci")),
            "token:shop": Caller(grant=Grant("shop")),
            None: Caller(),
        }
        log = AccessLog("shop", "all")

        def record() -> None:
            for caller in [*callers.values()] * 2:
                log.record(Request("GET", "/x", caller=caller), "", 200, 0.0, 0)

        events = self.logged(record)
        self.assertEqual([event["fields"]["caller"] for event in events], [*callers] * 2)

    def test_share(self) -> None:
        """A share logs as many requests, and each with a code of 500 or more."""
        numbers = iter([0.005, 0.02, 0.5])
        log = AccessLog("shop", 0.01, lambda: next(numbers))
        request = Request("GET", "/x")

        def record() -> None:
            for code in (200, 200, 404, 500, 503):
                log.record(request, "", code, 0.0, 0)

        events = self.logged(record)
        self.assertEqual([event["fields"]["code"] for event in events], [200, 500, 503])


class PageCountTests(ServedCase):
    """Klein routes in the metrics, and under the limits of the service."""

    def setUp(self) -> None:
        """Define an application with a page that waits."""
        self.waits: Deferred[str] = Deferred()
        self.called: list[str] = []

        def web(klein: Klein, container: svcs.Container) -> None:
            @klein.route("/page/<name>", methods=["GET"])
            def page(request: Any, name: str) -> Any:
                self.called.append(name)
                if name == "fail":
                    raise ValueError
                return self.waits if name == "wait" else name

        self.app = App([], web=web)

    def test_counted(self) -> None:
        """They are counted with their codes and times, and pending while they wait."""
        host = self.serve(self.app, http=HTTP)
        for path in ("/page/a", "/page/fail", "/page/wait"):
            self.request("GET", path)
        self.assertEqual(host.stats().inflight, 1)
        self.clock.advance(2)
        self.waits.callback("done")
        stats = host.stats()
        self.assertEqual((stats.inflight, host.metrics().all.codes), (0, {200: 2, 500: 1}))
        self.assertEqual(host.metrics().all.errors, 1)
        self.flushLoggedErrors(ValueError)

    def test_timeout(self) -> None:
        """One that exceeds request_timeout is counted as 504, and pending no more."""
        host = self.serve(self.app, http=HTTP)
        self.request("GET", "/page/wait")
        self.clock.advance(30)
        self.assertEqual((host.stats().inflight, host.metrics().all.codes), (0, {504: 1}))

    def test_aborted(self) -> None:
        """One that is aborted is counted as 503."""
        host = self.serve(self.app, http=HTTP)
        self.request("GET", "/page/wait")
        host.abort()
        self.assertEqual((host.stats().inflight, host.metrics().all.codes), (0, {503: 1}))

    def test_max_inflight(self) -> None:
        """Pages and actions share max_inflight; a page above it is 503, and is counted."""
        host = self.serve(self.app, http=HTTP, limits=Limits(max_inflight=1))
        self.request("GET", "/page/wait")
        response = self.request("GET", "/page/b")
        self.assertEqual((code_of(response), self.called), (503, ["wait"]))
        self.assertIn(b"\r\nRetry-After: 1\r\n", response)
        self.assertEqual(code_of(self.request("GET", "/-/ping")), 503)
        self.waits.callback("done")
        self.assertEqual(code_of(self.request("GET", "/page/b")), 200)
        self.assertEqual(host.metrics().all.codes[503], 2)
