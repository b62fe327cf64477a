"""Spans of calls to other services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from msgspec import Raw
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from tests.unit.tracing.recorded import PARENT, SPAN, TRACE, UNSAMPLED, RecordedCase
from unixsvc.datasource.service_clients import ServiceClients
from unixsvc.domain.interfaces import IServices
from unixsvc.domain.message import Reply, Request
from unixsvc.domain.request_context import set_current_request
from unixsvc.domain.trace_context import is_sampled, trace_ids
from unixsvc.errors import Conflict, Unavailable
from unixsvc.interception.client import ClientInterceptors


class Items:
    """A stream of two numbers, as of a client.

    :ivar closed: whether it was closed.
    """

    head = "head"
    closed = False

    def __init__(self) -> None:
        self._items = iter((b"1", b"2"))

    def __aiter__(self) -> Items:
        return self

    async def __anext__(self) -> Raw:
        """The next number."""
        for each in self._items:
            return Raw(each)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close it."""
        self.closed = True


class Client:
    """Answers each call with :attr:`answer`.

    :ivar metas: those of the calls.
    """

    answer: Any = None

    def __init__(self) -> None:
        self.metas: list[dict[str, str]] = []
        self.items = Items()

    def __call__(self, service: str, **options: Any) -> Client:
        """The client for a service."""
        return self

    def call(self, *what: Any, meta: dict[str, str], **options: Any) -> Deferred[Any]:
        """Answer."""
        self.metas.append(meta)
        return self.answer if isinstance(self.answer, Deferred) else succeed(self.answer)

    def stream(self, *what: Any, meta: dict[str, str], **options: Any) -> Items:
        """A stream."""
        self.metas.append(meta)
        return self.items

    def open(self, *what: Any, meta: dict[str, str], **options: Any) -> Deferred[Any]:
        """A stream."""
        self.metas.append(meta)
        return succeed(self.items)


class CallSpanTests(RecordedCase):
    def setUp(self) -> None:
        """Make what calls services, outside of a request."""
        set_current_request(None)
        self.now = Clock()
        self.client = Client()
        self.make()

    def make(self, **settings: Any) -> None:
        """Make it with other settings."""
        clients = ServiceClients("", "", self.now, self.now.seconds, self.client)
        tracing = self.tracing(now=self.now.seconds, **settings)
        self.services = tracing.around_services(clients)
        tracing._client._clock = self.now.seconds
        tracing._server._clock = self.now.seconds
        self.server = tracing._server

    def tearDown(self) -> None:
        """Forget the request."""
        set_current_request(None)

    def serve_request(self, **meta: str) -> Request:
        """Serve a request with some meta."""
        request = Request("GET", "/", meta=meta)
        set_current_request(request, 0.0, 30.0)
        return request

    def test_interface(self) -> None:
        """It is what calls services."""
        self.assertTrue(verifyObject(IServices, self.services))

    def test_attributes(self) -> None:
        """A call is a span of the kind CLIENT, a child of the request that makes it, whose time it has."""
        self.serve_request(traceparent=PARENT, tracestate="a=1", baggage="tenant=acme")
        self.now.advance(10)
        self.client.answer = "found"
        self.assertEqual(self.successResultOf(self.services.get("user", "/user/7?x=1")), "found")
        span, [meta] = self.span(), self.client.metas
        self.assertEqual((span.name, span.kind.name), ("user/GET", "CLIENT"))
        self.assertEqual(
            dict(span.attributes),
            {
                "rpc.system.name": "unixsvc",
                "rpc.method": "_OTHER",
                "rpc.method_original": "user/GET /user/7",
                "rpc.response.status_code": "200",
                "network.transport": "unix",
                "server.address": "user",
                "unixsvc.deadline.left": 20.0,
            },
        )
        self.assertEqual(f"{span.parent.span_id:016x}", SPAN)
        self.assertEqual(trace_ids(meta["traceparent"]), (TRACE, f"{span.context.span_id:016x}"))
        self.assertEqual((meta["tracestate"], meta["baggage"]), ("a=1", "tenant=acme"))
        self.assertIn("request_id", meta)

    def test_errors(self) -> None:
        """An error reply, another exception, and a call that is cancelled."""
        self.serve_request(traceparent=PARENT)
        for error, kind in ((Conflict(), "409"), (ValueError("no"), "builtins.ValueError")):
            self.client.answer = Deferred()
            result = self.services.post("user", "/user")
            self.client.answer.errback(error)
            self.failureResultOf(result, type(error))
            span = self.span()
            self.assertEqual((span.attributes["error.type"], span.status.is_ok), (kind, False))
        self.client.answer = Deferred()
        result = self.services.post("user", "/user")
        result.addErrback(lambda _: None)
        result.cancel()
        span = self.span()
        self.assertEqual(span.attributes["rpc.response.status_code"], "499")
        self.assertTrue(span.status.is_unset)

    def test_not_recorded(self) -> None:
        """The calls of a request that is not recorded say so to the services, all with one id."""
        request = self.serve_request()
        for _ in range(2):
            self.services.get("user", "/user/7")
        self.assertEqual(self.spans(), [])
        first, second = self.client.metas
        self.assertEqual(first["traceparent"], second["traceparent"])
        self.assertFalse(is_sampled(first["traceparent"]))
        self.assertNotEqual(trace_ids(first["traceparent"]), ("", ""))
        self.assertEqual(request.meta["traceparent"], first["traceparent"])
        self.serve_request(traceparent=UNSAMPLED)
        self.services.open("user", "GET", "/user/7")
        self.services.stream("user", "GET", "/user/7")
        self.assertEqual([each["traceparent"] for each in self.client.metas[2:]], [UNSAMPLED] * 2)

    def test_given(self) -> None:
        """A traceparent that the application gives a call goes before that of the request."""
        self.serve_request(traceparent=UNSAMPLED)
        self.services.call("user", "GET", "/", meta={"traceparent": PARENT})
        self.assertEqual(f"{self.span().parent.span_id:016x}", SPAN)

    def test_no_request(self) -> None:
        """A call outside of a request begins a trace, if it is one of the share."""
        self.services.get("user", "/")
        self.assertIsNone(self.span().parent)
        self.make(sample=0.0)
        self.services.get("user", "/")
        self.assertEqual(self.spans(), [])
        self.assertFalse(is_sampled(self.client.metas[-1]["traceparent"]))

    def test_streams(self) -> None:
        """The span of a stream ends with it, counts its items, and hides nothing of it."""
        self.serve_request(traceparent=PARENT)
        for stream in (
            self.services.stream("user", "GET", "/items"),
            self.successResultOf(self.services.open("user", "GET", "/items")),
        ):
            self.assertEqual(stream.head, "head")
            self.assertEqual(self.spans(), [])
            self.client.items._items = iter((b"1", b"2"))
            self.assertEqual(self.read(stream), [b"1", b"2"])
            span = self.span()
            self.assertEqual(span.attributes["unixsvc.stream.items"], 2)
            self.assertEqual(span.attributes["rpc.response.status_code"], "200")

    def test_closed_stream(self) -> None:
        """A stream that is closed before its end, or that nothing reads, is 499."""
        self.serve_request(traceparent=PARENT)
        stream = self.services.stream("user", "GET", "/items")
        self.successResultOf(Deferred.fromCoroutine(stream.aclose()))
        self.assertTrue(self.client.items.closed)
        self.assertEqual(self.span().attributes["rpc.response.status_code"], "499")
        stream = self.services.stream("user", "GET", "/items")
        del stream
        self.assertEqual(self.span().attributes["rpc.response.status_code"], "499")

    def read(self, stream: AsyncIterator[Any]) -> list[bytes]:
        """All items of a stream."""

        async def read() -> list[bytes]:
            return [bytes(each) async for each in stream]

        found: list[bytes] = self.successResultOf(Deferred.fromCoroutine(read()))
        return found

    def test_long_stream(self) -> None:
        """A call of a stream that has run for long begins a trace of its own, with a link to the stream."""
        from opentelemetry.context import attach, detach

        self.make(link_after=60.0)
        request = self.serve_request(traceparent=PARENT)
        served = self.server.start(request, ("GET", "/items"), 30.0)
        self.server.streams(served)
        token = attach(served.context)
        self.addCleanup(detach, token)
        self.services.get("user", "/")
        self.assertEqual(self.span().parent.span_id, served.span.get_span_context().span_id)
        self.now.advance(61)
        set_current_request(request, 61.0, 30.0)
        self.services.get("user", "/")
        span = self.span()
        self.assertIsNone(span.parent)
        self.assertNotEqual(f"{span.context.trace_id:032x}", TRACE)
        [link] = span.links
        self.assertEqual(link.context.span_id, served.span.get_span_context().span_id)


class TracedCallsTests(RecordedCase):
    """The interceptor for a program's own clients."""

    def setUp(self) -> None:
        """Make it."""
        from unixsvc.tracing import TracedCalls

        self.tracing()
        self.interceptors = ClientInterceptors([TracedCalls(self.provider.get_tracer("t"))])
        self.sent: list[Request] = []

    def call(self, reply: Reply | Exception) -> Deferred[Reply]:
        """Make a call that gets a reply."""

        async def send(request: Request, left: float | None) -> Reply:
            self.sent.append(request)
            if isinstance(reply, Exception):
                raise reply
            return reply

        async def start() -> Reply:
            return await self.interceptors.call("user", "GET", "/user/7?x=1", Raw(b"{}"), {}, 3.0, send)

        return Deferred.fromCoroutine(start())

    def test_call(self) -> None:
        """A call is a span, which the service continues."""
        self.successResultOf(self.call(Reply()))
        span = self.span()
        self.assertEqual(
            (span.name, span.kind.name, span.attributes["unixsvc.deadline.left"]), ("user/GET", "CLIENT", 3)
        )
        self.assertEqual(trace_ids(self.sent[0].meta["traceparent"])[1], f"{span.context.span_id:016x}")

    def test_error(self) -> None:
        """An error ends it."""
        self.failureResultOf(self.call(Unavailable()), Unavailable)
        self.assertEqual(self.span().attributes["error.type"], "503")

    def test_stream(self) -> None:
        """The span of a stream ends with it."""

        async def items() -> Any:
            yield b"1"
            yield b"2"

        reply = self.successResultOf(self.call(Reply(items=items())))

        async def read() -> list[bytes]:
            assert reply.items is not None
            return [each async for each in reply.items]

        self.assertEqual(self.spans(), [])
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(read())), [b"1", b"2"])
        self.assertEqual(self.span().attributes["unixsvc.stream.items"], 2)
