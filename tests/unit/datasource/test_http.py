"""The HTTP datasource with treq's in-memory network."""

from __future__ import annotations

from typing import Any

import msgspec
from treq.testing import StubTreq
from twisted.internet import error as network
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface.verify import verifyObject

from unixsvc.datasource.http import HttpDatasource, client_over_unix
from unixsvc.domain.idempotency_key import with_own_key
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import EMPTY, Reply, Request
from unixsvc.errors import BadGateway, ConfigError, DeadlineExceeded, Invalid, NotFound, TooLarge, Unavailable


class Site(Resource):
    """Sends the same response to all requests, and records them.

    :ivar requests: method, URI, headers and body of each request.
    """

    isLeaf = True

    def __init__(self, code: int, body: bytes | None) -> None:
        super().__init__()
        self.requests: list[tuple[bytes, bytes, Any, bytes]] = []
        self._code = code
        self._body = body

    def render(self, request: Any) -> Any:
        """Respond, or never."""
        headers = dict(request.requestHeaders.getAllRawHeaders())
        self.requests.append((request.method, request.uri, headers, request.content.read()))
        request.setResponseCode(self._code)
        return NOT_DONE_YET if self._body is None else self._body


class HttpDatasourceTests(SynchronousTestCase):
    """Requests and replies."""

    def ask(
        self, code: int = 200, body: bytes | None = b"{}", *, method: str = "GET", **fields: Any
    ) -> Deferred[Reply]:
        """Forward a request to a site with this response."""
        self.site = Site(code, body)
        self.stub = StubTreq(self.site)
        source = HttpDatasource(
            "http://behind/api/", {"Authorization": "Bearer x"}, client=self.stub, max_bytes=99
        )
        request = Request(method, "/items/7", **{"data": EMPTY, **fields})
        answered = Deferred.fromCoroutine(source.handle(request))
        self.stub.flush()
        return answered

    def test_interface(self) -> None:
        """It provides IRouterDatasource."""
        verifyObject(IRouterDatasource, HttpDatasource("http://behind"))

    def test_get(self) -> None:
        """Data is added to the query; the result is returned on one line."""
        data = msgspec.Raw(b'{"limit":5,"name":"a b","deep":{"x":true}}')
        reply = self.successResultOf(self.ask(body=b'{\n"id": 7}', data=data, query="page=2"))
        self.assertEqual(reply, Reply(200, b'{ "id": 7}'))
        [(method, uri, headers, body)] = self.site.requests
        self.assertEqual((method, body), (b"GET", b""))
        self.assertEqual(uri, b"/api/items/7?page=2&limit=5&name=a+b&deep=%7B%22x%22%3Atrue%7D")
        self.assertEqual(headers[b"Authorization"], [b"Bearer x"])
        self.assertNotIn(b"Content-Type", headers)

    def test_post(self) -> None:
        """Data is the body; the request id, the trace and the caller's own key are headers."""
        meta = {"request_id": "r1", "traceparent": "00-ab-cd-01", "idempotency_key": "k", "own": "x"}
        data = msgspec.Raw(b'{"name": "Pen"}')
        self.successResultOf(self.ask(method="POST", data=data, meta=meta, auth_token="secret"))
        [(method, uri, headers, body)] = self.site.requests
        self.assertEqual((method, uri, body), (b"POST", b"/api/items/7", b'{"name": "Pen"}'))
        self.assertEqual(headers[b"Content-Type"], [b"application/json"])
        lowered = {name.lower(): value for name, value in headers.items()}
        self.assertEqual(lowered[b"x-request-id"], [b"r1"])
        self.assertEqual(lowered[b"traceparent"], [b"00-ab-cd-01"])
        own = with_own_key(Request("POST", "/items/7", data, meta=meta))["idempotency_key"]
        self.assertEqual(lowered[b"idempotency-key"], [own.encode()])
        self.assertNotIn("secret", repr(headers))

    def test_nothing(self) -> None:
        """An empty body is null."""
        self.assertEqual(self.successResultOf(self.ask(204, b"")), Reply(200, b"null"))

    def test_failures(self) -> None:
        """An error keeps its code and its details, in any format."""
        for code, body, kind, detail in (
            (404, b'{"title": "Not found", "detail": "no item 7"}', NotFound, "no item 7"),
            (
                422,
                b'[{"field": "name", "message": "is empty"}]',
                Invalid,
                [{"field": "name", "message": "is empty"}],
            ),
            (404, b"<h1>no such page</h1>", NotFound, None),
        ):
            error = self.failureResultOf(self.ask(code, body), kind).value
            self.assertEqual((error.code, error.detail), (code, detail))

    def test_nonsense(self) -> None:
        """A body that is not JSON, or not UTF-8, is 502."""
        for body in (b"<h1>hello</h1>", b'{"a": ', b'"\xff"'):
            self.failureResultOf(self.ask(body=body), BadGateway)

    def test_too_large(self) -> None:
        """A response above the size limit is refused."""
        failure = self.failureResultOf(self.ask(body=b'"' + b"x" * 100 + b'"'), TooLarge)
        self.assertEqual([*failure.value.detail], ["max_bytes"])
        self.successResultOf(self.ask(body=b'"' + b"x" * 90 + b'"'))

    def test_late(self) -> None:
        """The request has the remaining time, and 504 after it."""
        requests: list[float] = []

        class Late:
            """Knows only time-outs."""

            def request(self, *words: Any, timeout: float, **more: Any) -> Deferred[Any]:
                """Be cancelled, as treq's are."""
                requests.append(timeout)
                late = CancelledError()
                return fail(late if len(requests) == 1 else ResponseNeverReceived([Failure(late)]))

        source = HttpDatasource("http://behind", client=Late())
        for request in Request("GET", "/", timeout=0.5), Request("GET", "/"):
            self.failureResultOf(Deferred.fromCoroutine(source.handle(request)), DeadlineExceeded)
        self.assertEqual(requests, [0.5, 30.0])

    def test_not_there(self) -> None:
        """If the connection is refused, the reply is 503."""

        class Absent:
            """Is not there."""

            def request(self, *words: Any, **more: Any) -> Deferred[Any]:
                """Be refused."""
                return fail(network.ConnectionRefusedError())

        source = HttpDatasource("http://behind", client=Absent())
        self.failureResultOf(Deferred.fromCoroutine(source.handle(Request("GET", "/"))), Unavailable)


class UnixSocketTests(SynchronousTestCase):
    """The client over a Unix socket."""

    def test_long_path(self) -> None:
        """A path that is too long for a socket is an error before the first request."""
        error = self.assertRaises(ConfigError, client_over_unix, "/" + "x" * 107, MemoryReactorClock())
        self.assertIn("is 108 bytes long", str(error))
