"""Pages of an application, and errors in them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from types import CoroutineType
from typing import Any

from klein import Klein
from twisted.internet.address import UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure
from twisted.web.server import Site

from tests.unit.rest.http_requests import GatewayHarness, RawClient, header_values
from tests.unit.rest.web.klein_routes import KleinTestCase
from unixsvc.config.http import Cors, Http


class ResultTests(KleinTestCase):
    def test_data(self) -> None:
        """Data becomes JSON, with the headers of all responses."""
        for name, expected in (("dict", {"a": 1}), ("list", [1]), ("thing", {"name": "a"})):
            found = self.request("GET", f"/own/{name}", headers={"X-Request-Id": "r1"})
            self.assertEqual((found.code, found.json), (200, expected))
            self.assertEqual(found.header("Content-Type"), "application/json")
            self.assertEqual(found.header("X-Content-Type-Options"), "nosniff")
            self.assertEqual(found.header("X-Request-Id"), "r1")
            self.assertIsNone(found.header("Server"))
            self.assertIsNotNone(found.header("Date"))

    def test_pages(self) -> None:
        """Text and bytes are sent as Klein does, with a length."""
        for name, expected in (("text", b"text"), ("bytes", b"bytes"), ("none", b""), ("resource", b"data")):
            found = self.request("GET", f"/own/{name}")
            self.assertEqual((found.code, found.body), (200, expected))
        self.assertIn(b"\r\nContent-Length: 4\r\n", self.client.request("GET", "/own/text"))

    def test_not_modified(self) -> None:
        """Data has an ETag, and the response can be 304."""
        etag = self.request("GET", "/own/dict").header("ETag")
        assert etag is not None
        found = self.request("GET", "/own/dict", headers={"If-None-Match": etag})
        self.assertEqual((found.code, found.body), (304, b""))

    def test_code_kept(self) -> None:
        """The status code and the headers of a route are kept."""
        found = self.request("POST", "/own/made")
        self.assertEqual((found.code, found.header("Location"), found.json), (201, "/own/1", {"made": True}))
        self.assertEqual(found.header("Content-Type"), "application/vnd.shop+json")

    def test_later(self) -> None:
        """A route may return a Deferred; until it fires, the request is pending."""
        self.assertEqual(self.client.request("GET", "/own/later"), b"")
        self.assertEqual(self.harness.gateway.pending, 1)
        self.own.pending.callback(None)
        self.assertTrue(self.client.received().endswith(b'{"later":true}'))
        self.assertEqual(self.harness.gateway.pending, 0)

    def test_head(self) -> None:
        """HEAD has the length and no body."""
        response = self.client.request("HEAD", "/own/dict")
        self.assertIn(b"\r\nContent-Length: 7\r\n", response)
        self.assertTrue(response.endswith(b"\r\n\r\n"))


class RoutingTests(KleinTestCase):
    def test_action_first(self) -> None:
        """If an action and a route have the same path, the action is called."""
        self.assertEqual(self.request("GET", "/hello").json, "hello")

    def test_method(self) -> None:
        """A route has its own methods, and 405."""
        found = self.request("GET", "/own/made")
        self.assertEqual((found.code, found.header("Allow")), (405, "OPTIONS, POST"))
        self.assertEqual(found.json["allowed"], ["POST"])
        self.assertEqual(found.header("Content-Type"), "application/problem+json")
        found = self.request("OPTIONS", "/own/made")
        self.assertEqual((found.code, found.header("Allow")), (204, "OPTIONS, POST"))

    def test_slash(self) -> None:
        """A missing slash is a redirect to the host that the client has used."""
        response = self.client.request("GET", "/own/7?a=1")
        self.assertIn(b" 308 ", response)
        self.assertIn(b"\r\nLocation: /own/7/?a=1\r\n", response)
        self.assertNotIn(b"\r\nContent-Type", response)
        self.assertEqual(self.request("GET", "/own/7/").json, [7])

    def test_slashes(self) -> None:
        """Slashes are merged as werkzeug does: at the beginning of a path, and elsewhere by a redirect."""
        for path, code in (
            ("//own/text", 200),
            ("/own//text", 308),
            ("//own//text", 308),
            ("//nowhere", 404),
        ):
            self.assertIn(b" %d " % code, self.client.request("GET", path).partition(b"\r\n")[0])

    def test_not_found(self) -> None:
        """A path that neither has is counted as a message."""
        for path in ("/own/x/", "/own", "/%FF"):
            self.assertIn(self.request("GET", path).code, (400, 404))
        self.assertEqual(self.harness.stats.snapshot().all.requests, 3)

    def test_missing_host(self) -> None:
        """Clients of HTTP/1.0 and of a Unix socket need no Host."""
        client = RawClient(self.site, UNIXAddress("/run/shop.sock"))
        client.channel.dataReceived(b"GET /own/text HTTP/1.0\r\n\r\n")
        self.assertIn(b" 200 ", client.received())


class ErrorTests(KleinTestCase):
    def test_crash(self) -> None:
        """An exception is 500 without details, and is logged with the request id."""
        found = self.request("GET", "/raise/crash", headers={"X-Request-Id": "r1"})
        self.assertEqual((found.code, found.json["instance"]), (500, "urn:unixsvc:request:r1"))
        self.assertNotIn(b"secret", found.body)
        self.assertEqual(found.header("Content-Type"), "application/problem+json")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_not_encodable(self) -> None:
        """Data that JSON cannot represent is 500, too."""
        self.assertEqual(self.request("GET", "/own/unspeakable").code, 500)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_base_exception(self) -> None:
        """So is a BaseException, which Klein does not handle."""
        for name, kind in (("exit", SystemExit), ("cancel", asyncio.CancelledError)):
            found = self.request("GET", f"/raise/{name}")
            self.assertEqual(found.json["status"], 500)
            self.assertNotIn(b"secret", found.body)
            self.assertEqual(len(self.flushLoggedErrors(kind)), 1)
        self.flushLoggedErrors()

    def test_http_exceptions(self) -> None:
        """Exceptions of werkzeug keep their code and description."""
        found = self.request("GET", "/raise/conflict")
        self.assertEqual(
            (found.code, found.json["title"], found.json["detail"]), (409, "Conflict", "two of them")
        )
        self.assertEqual(self.request("GET", "/raise/toomany").code, 429)
        self.assertEqual(self.request("GET", "/own/abort").json["detail"], "nothing here")

    def test_service_errors(self) -> None:
        """Errors of actions are handled as for actions."""
        self.assertEqual(self.request("GET", "/raise/notfound").json["detail"], "x")
        found = self.request("GET", "/raise/limited")
        self.assertEqual((found.code, found.header("Retry-After")), (429, "2"))

    def test_missing_host(self) -> None:
        """An invalid Host is an error of the client, and is not logged."""
        client = RawClient(Site(self.harness.resource, reactor=self.harness.clock))
        client.channel.dataReceived(b"GET /own/text HTTP/1.1\r\nHost: a..b\r\nX-Request-Id: r1\r\n\r\n")
        response = client.received()
        self.assertIn(b" 400 ", response)
        self.assertEqual(header_values(response, b"Content-Type"), [b"application/problem+json"])
        self.assertEqual(header_values(response, b"X-Request-Id"), [b"r1"])
        self.assertEqual((self.harness.gateway.pending, self.flushLoggedErrors()), (0, []))

    def test_fails_after_start(self) -> None:
        """A response that fails after its start is cut off."""
        response = self.client.request("GET", "/own/half")
        self.assertNotIn(b"\r\n0\r\n", response)
        self.assertEqual(self.client.transport.closed, "abort")
        self.flushLoggedErrors(RuntimeError)

    def test_error_handlers(self) -> None:
        """Error handlers of the application take precedence."""

        def add(app: Klein) -> None:
            self.own.add(app)

            @app.handle_errors(RuntimeError)
            def handle(request: Any, failure: Failure) -> Any:
                request.setResponseCode(418)
                return {"mine": True}

        found = GatewayHarness(web=add).request("GET", "/raise/crash")
        self.assertEqual((found.code, found.json), (418, {"mine": True}))
        self.assertEqual(GatewayHarness(web=add).request("GET", "/raise/notfound").code, 404)


class CoroutineTests(KleinTestCase):
    """Routes that are coroutine functions run as actions do, with a task of their own."""

    def setUp(self) -> None:
        """Record what is run with a task."""
        super().setUp()
        self.ran: list[object] = []

        def run(awaitable: Awaitable[object]) -> Awaitable[object]:
            self.ran.append(awaitable)
            return awaitable

        self.harness.gateway.app.dispatch.run = run

    def test_awaits(self) -> None:
        """The coroutine is run with a task, and may wait."""
        self.assertEqual(self.client.request("GET", "/own/later"), b"")
        self.assertEqual([type(each) for each in self.ran], [CoroutineType])
        self.own.pending.callback(None)
        self.assertTrue(self.client.received().endswith(b'{"later":true}'))

    def test_cancelled(self) -> None:
        """A disconnect cancels what it waits for."""
        self.client.request("GET", "/own/later")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(self.own.cancelled)
        self.assertEqual((self.harness.gateway.pending, self.flushLoggedErrors()), (0, []))

    def test_plain(self) -> None:
        """Other routes need no task."""
        self.assertEqual(self.request("GET", "/own/dict").json, {"a": 1})
        self.assertEqual(self.ran, [])


class CancelTests(KleinTestCase):
    def test_disconnect(self) -> None:
        """A disconnect cancels the route, and nothing is logged."""
        self.client.request("GET", "/own/wait")
        self.client.channel.connectionLost(Failure(ConnectionDone()))
        self.assertTrue(self.own.cancelled)
        self.assertEqual(self.harness.gateway.pending, 0)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_abort(self) -> None:
        """Pending requests are 503 when the gateway aborts, even if the route goes on."""
        self.client.request("GET", "/own/wait")
        self.harness.gateway.abort()
        self.assertIn(b" 503 ", self.client.received())
        self.assertEqual((self.own.cancelled, self.harness.gateway.pending), (True, 0))

    def test_timeout(self) -> None:
        """A route that has not started its response in time is 504."""
        self.client.request("GET", "/own/wait")
        self.harness.clock.advance(30)
        self.assertIn(b" 504 ", self.client.received())
        self.assertTrue(self.own.cancelled)

    def test_started(self) -> None:
        """A route that has started may take longer."""
        self.client.request("GET", "/own/wait")
        self.own.request.write(b"some")
        self.harness.clock.advance(30)
        self.own.pending.callback(b"more")
        self.assertTrue(self.client.received().endswith(b"4\r\nsome\r\n4\r\nmore\r\n0\r\n\r\n"))


class CorsTests(KleinTestCase):
    http = Http(docs=False, cors=Cors(origins=("https://shop.test",)))

    def test_cors(self) -> None:
        """CORS headers are set for routes, too."""
        headers = {"Origin": "https://shop.test"}
        for path in ("/own/dict", "/own/text", "/raise/notfound"):
            found = self.request("GET", path, headers=headers)
            self.assertEqual(found.header("Access-Control-Allow-Origin"), "https://shop.test")
            self.assertEqual(found.header("Vary"), "Origin")
