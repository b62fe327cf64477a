"""Spans of the requests that a service serves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import svcs
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.logger import Logger, capturedLogs
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from tests.unit.tracing.recorded import PARENT, SPAN, TRACE, UNSAMPLED, RecordedCase
from unixsvc import GET, App, Conflict, Created, Request
from unixsvc.config.http import Http
from unixsvc.config.settings import Limits
from unixsvc.domain.interfaces import IHandleMessage
from unixsvc.domain.trace_context import trace_ids
from unixsvc.telemetry.logs import to_record

HTTP = Http(token="off")
HEADERS = ("Traceparent: " + PARENT, "Tracestate: a=1,b=2", "Baggage: tenant=acme")
log = Logger(namespace="shop")


def _sold() -> None:
    raise Conflict


def _fail() -> None:
    raise ValueError("no luck")


def _web(klein: Klein, container: svcs.Container) -> None:
    @klein.route("/page/<name>", methods=["GET"])
    def page(request: Any, name: str) -> Any:
        return f"page {name}"


class ShopCase(RecordedCase):
    """An application with an action for each kind of end."""

    def setUp(self) -> None:
        """Define it."""
        self.waits: Deferred[str] = Deferred()
        self.metas: list[dict[str, str]] = []

        def show(id: int, request: Request) -> int:
            self.metas.append(request.meta)
            log.info("shown")
            return id

        def make() -> Created[int]:
            return Created(7, "/show/7")

        async def wait() -> str:
            return await self.waits

        async def own() -> str:
            with self.provider.get_tracer("own").start_as_current_span("own"):
                await self.waits
                log.info("waited")
            return "done"

        async def items() -> AsyncIterator[int]:
            yield 10
            yield 200

        async def broken() -> AsyncIterator[int]:
            yield 1
            raise ValueError("broken")

        actions = {"make": make, "wait": wait, "own": own, "items": items, "broken": broken, "sold": _sold}
        routes = [GET("/show/{id:int}", show, public=True), GET("/fail", _fail, public=True)]
        routes += [GET("/shielded", wait, public=True, shield=True)]
        routes += [GET(f"/{name}", action, public=True) for name, action in actions.items()]
        self.app = App(routes, web=_web)

    def over_socket(self, path: str, **fields: Any) -> bytes:
        """Make a request over a socket."""
        message = {"path": path, "method": "GET", "id": 1, "credit": 100, **fields}
        return self.exchange(json.dumps(message).encode() + b"\n")


class HttpSpanTests(ShopCase):
    """Over HTTP."""

    def test_attributes(self) -> None:
        """A request is a span of the kind SERVER, with the attributes of the conventions for HTTP."""
        self.serve(self.app, http=HTTP, tracing=self.tracing())
        self.request(
            "GET", "/show/7?token=secret", "X-Request-Id: r1", "X-Request-Timeout: 3", "User-Agent: x/1"
        )
        span = self.span()
        self.assertEqual((span.name, span.kind.name, span.parent), ("GET /show/{id:int}", "SERVER", None))
        self.assertEqual(
            dict(span.attributes),
            {
                "http.request.method": "GET",
                "url.path": "/show/7",
                "url.scheme": "http",
                "http.route": "/show/{id:int}",
                "http.response.status_code": 200,
                "user_agent.original": "x/1",
                "client.address": "192.168.1.1",
                "server.address": "localhost",
                "unixsvc.deadline.left": 3.0,
                "unixsvc.request.id": "r1",
            },
        )
        self.assertTrue(span.status.is_unset)

    def test_status(self) -> None:
        """The status is that of the response. Unknown methods and paths are not in the name."""
        self.serve(self.app, http=HTTP, tracing=self.tracing())
        for method, path, name, code in (
            ("GET", "/make", "GET /make", 201),
            ("GET", "/sold", "GET /sold", 409),
            ("GET", "/nowhere/at/all", "GET", 404),
            ("BREW", "/show/7", "HTTP", 405),
            ("GET", "/page/a", "GET /page/<name>", 200),
        ):
            self.request(method, path)
            span = self.span()
            self.assertEqual((span.name, span.attributes["http.response.status_code"]), (name, code))
            self.assertTrue(span.status.is_unset, "the errors of clients are none of the server")

    def test_exception(self) -> None:
        """An exception that the client does not see is recorded, with its type."""
        self.serve(self.app, http=HTTP, tracing=self.tracing())
        self.request("GET", "/fail")
        self.flushLoggedErrors(ValueError)
        span = self.span()
        self.assertEqual(span.attributes["error.type"], "builtins.ValueError")
        self.assertEqual(span.attributes["http.response.status_code"], 500)
        self.assertEqual((span.status.is_ok, span.status.description), (False, "no luck"))
        [event] = span.events
        self.assertIn("no luck", event.attributes["exception.stacktrace"])

    def test_refused(self) -> None:
        """A request that is refused because of max_inflight has a span, also one for a page."""
        self.serve(self.app, http=HTTP, tracing=self.tracing(), limits=Limits(max_inflight=1))
        self.request("GET", "/wait")
        for path in ("/show/7", "/page/a"):
            self.request("GET", path)
            self.assertEqual(self.span().attributes["error.type"], "503")

    def test_refused_early(self) -> None:
        """So has one that is refused before its route is known, with what is known of it."""
        http = Http(token="off", max_header_bytes=512, allowed_hosts=("localhost",))
        self.serve(self.app, http=http, tracing=self.tracing())
        for data, name, code in (
            (b"GET /a HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n", "GET", 400),
            (b"GET /" + b"x" * 600, "GET", 414),
            (b"\x16\x03\x01\r\n\r\n", "HTTP", 400),
            (b"GET /a HTTP/1.1\r\nHost: elsewhere\r\n\r\n", "GET", 421),
        ):
            self.exchange(data)
            span = self.span()
            self.assertEqual((span.name, span.attributes["http.response.status_code"]), (name, code))
            self.assertEqual(span.attributes.get("url.path"), "/a" if b"/a" in data else None)
        self.serve(self.app, http=HTTP, tracing=self.tracing(sample=0.0))
        self.exchange(b"\r\nno\r\n\r\n")
        self.assertEqual(self.spans(), [])

    def test_parent(self) -> None:
        """The trace of a caller goes on, with its state and baggage, which the action finds in its meta."""
        self.serve(self.app, http=HTTP, tracing=self.tracing())
        self.request("GET", "/show/7", *HEADERS)
        span, [meta] = self.span(), self.metas
        self.assertEqual(f"{span.context.trace_id:032x}", TRACE)
        self.assertEqual(f"{span.parent.span_id:016x}", SPAN)
        self.assertEqual(trace_ids(meta["traceparent"]), (TRACE, f"{span.context.span_id:016x}"))
        self.assertEqual((meta["tracestate"], meta["baggage"]), ("a=1,b=2", "tenant=acme"))

    def test_untrusted(self) -> None:
        """A client over HTTP cannot have more recorded than the share; what it asks for is not passed on."""
        self.serve(self.app, http=HTTP, tracing=self.tracing(sample=0.0))
        self.request("GET", "/show/7", *HEADERS)
        self.assertEqual(self.spans(), [])
        self.assertEqual(self.metas[0]["traceparent"], UNSAMPLED)
        self.serve(self.app, http=HTTP, tracing=self.tracing(sample=0.0, trust_http=True))
        self.request("GET", "/show/7", *HEADERS)
        self.assertEqual(len(self.spans()), 1)

    def test_not_recorded(self) -> None:
        """A caller that does not record its trace decides for the service."""
        self.serve(self.app, http=HTTP, tracing=self.tracing())
        self.request("GET", "/show/7", "Traceparent: " + UNSAMPLED)
        self.request("GET", "/page/a", "Traceparent: " + UNSAMPLED)
        self.request("GET", "/-/health")
        self.assertEqual(self.spans(), [])

    def test_disconnected(self) -> None:
        """A client that has disconnected is 499, which is no failure."""
        self.serve(self.app, http=HTTP, tracing=self.tracing())
        self.request("GET", "/wait")
        self.connection.connectionLost(Failure(ConnectionDone()))
        span = self.span()
        self.assertEqual(span.attributes["http.response.status_code"], 499)
        self.assertTrue(span.status.is_unset)

    def test_stream(self) -> None:
        """The span of a stream ends with it, and counts its items."""
        self.serve(self.app, http=HTTP, tracing=self.tracing())
        for path, items, error in (("/items", 2, None), ("/broken", 1, "builtins.ValueError")):
            self.request("GET", path)
            self.clock.advance(0)
            span = self.span()
            self.assertEqual(span.attributes["unixsvc.stream.items"], items)
            self.assertEqual(span.attributes.get("error.type"), error)
        self.flushLoggedErrors(ValueError)


class SocketSpanTests(ShopCase):
    """Over a socket."""

    def test_attributes(self) -> None:
        """A request is a span of the kind SERVER, with the attributes of the conventions for RPC."""
        self.serve(self.app, tracing=self.tracing())
        self.over_socket("/show/7?x=1", timeout=4, meta={"request_id": "r2", "traceparent": PARENT})
        span = self.span()
        attributes = dict(span.attributes)
        attributes.pop("unixsvc.caller", None)
        self.assertEqual((span.name, span.kind.name), ("shop/GET /show/{id:int}", "SERVER"))
        self.assertEqual(
            attributes,
            {
                "rpc.system.name": "unixsvc",
                "rpc.method": "shop/GET /show/{id:int}",
                "rpc.method_original": "shop/GET /show/7",
                "rpc.response.status_code": "200",
                "network.transport": "unix",
                "server.address": "shop",
                "unixsvc.deadline.left": 4.0,
                "unixsvc.request.id": "r2",
            },
        )
        self.assertEqual(f"{span.parent.span_id:016x}", SPAN)

    def test_unknown(self) -> None:
        """A method that the service does not have is not in the name."""
        self.serve(self.app, tracing=self.tracing())
        self.over_socket("/nowhere")
        span = self.span()
        self.assertEqual((span.name, span.attributes["rpc.method"]), ("shop", "_OTHER"))
        self.assertEqual(span.attributes["rpc.response.status_code"], "404")

    def test_not_valid(self) -> None:
        """A traceparent that is not valid counts as none, and is not passed on."""
        self.serve(self.app, tracing=self.tracing())
        self.over_socket("/show/7", meta={"traceparent": "00-1-2-01"})
        self.assertIsNone(self.span().parent)
        self.serve(self.app, tracing=self.tracing(sample=0.0))
        self.over_socket("/show/7", meta={"traceparent": "00-1-2-01"})
        self.assertEqual((self.spans(), self.metas[-1]), ([], {}))

    def test_own_span(self) -> None:
        """A span that the action begins is a child, also if it ends after the action has waited."""
        self.serve(self.app, tracing=self.tracing())
        self.over_socket("/own")
        with capturedLogs() as events:
            self.waits.callback("")
        own, served = self.spans()
        self.assertEqual((own.name, own.parent.span_id), ("own", served.context.span_id))
        self.assertEqual([each["log_format"] for each in events if "log_failure" in each], [])

    def test_shield(self) -> None:
        """An action that is shielded goes on without its caller, and so does its span."""
        self.serve(self.app, tracing=self.tracing())
        self.over_socket("/shielded")
        self.connection.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.spans(), [])
        self.waits.callback("done")
        self.assertEqual(self.span().attributes["rpc.response.status_code"], "200")

    def test_deadline(self) -> None:
        """An action that exceeds its deadline is an error."""
        self.serve(self.app, tracing=self.tracing())
        self.over_socket("/wait", timeout=2)
        self.clock.advance(3)
        span = self.span()
        self.assertEqual((span.attributes["error.type"], span.status.is_ok), ("504", False))

    def test_stream(self) -> None:
        """A stream over a socket is one span; so is one that is refused."""
        self.serve(self.app, tracing=self.tracing())
        self.over_socket("/items")
        self.assertEqual(self.span().attributes["unixsvc.stream.items"], 2)
        self.over_socket("/items", id=None)
        self.assertEqual(self.span().attributes["rpc.response.status_code"], "400")

    def test_context_is_left(self) -> None:
        """The next request of a connection does not see the span of the one before."""
        self.serve(self.app, tracing=self.tracing())
        self.over_socket("/own")
        self.connection.dataReceived(b'{"id": 2, "path": "/show/7", "method": "GET"}\n')
        self.assertIsNone(self.span().parent)
        self.waits.callback("")
        self.assertEqual(len(self.spans()), 2)

    def test_log(self) -> None:
        """Events of a request have the ids of its trace and its span, also that of the access log."""
        self.serve(self.app, tracing=self.tracing(), access="all")
        with capturedLogs() as events:
            self.over_socket("/show/7")
        span = self.span()
        ids = (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
        records = [to_record(each) for each in events if each["log_format"] == "request"]
        self.assertEqual([(each.trace_id, each.span_id) for each in records], [ids])

    def test_interface(self) -> None:
        """With tracing, transports have a function that is the use case."""
        host = self.serve(self.app, tracing=self.tracing())
        self.assertTrue(verifyObject(IHandleMessage, host._core.traced, tentative=True))

    def test_none(self) -> None:
        """Without tracing there is no object for it on the path of a request."""
        host = self.serve(self.app)
        self.assertIsNone(host._core.traced)
        self.assertIsNone(host._core.tracing)
