"""A service behind HTTP, with treq's own stand-in for the network."""

from __future__ import annotations

from typing import Any

import msgspec
from treq.testing import StubTreq
from twisted.internet import error as network
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseNeverReceived
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface.verify import verifyObject

from unixsvc.datasource.http import HttpDatasource
from unixsvc.domain.interfaces import IRouterDatasource
from unixsvc.domain.message import EMPTY, Reply, Request
from unixsvc.errors import BadGateway, DeadlineExceeded, Invalid, NotFound, TooLarge, Unavailable


class Site(Resource):
    """Answers everything with one thing, and keeps what it was asked.

    :ivar asked: method, URI, headers and body of each request.
    """

    isLeaf = True

    def __init__(self, code: int, body: bytes | None) -> None:
        super().__init__()
        self.asked: list[tuple[bytes, bytes, Any, bytes]] = []
        self._code = code
        self._body = body

    def render(self, request: Any) -> Any:
        """Answer, or never."""
        headers = dict(request.requestHeaders.getAllRawHeaders())
        self.asked.append((request.method, request.uri, headers, request.content.read()))
        request.setResponseCode(self._code)
        return NOT_DONE_YET if self._body is None else self._body


class HttpDatasourceTests(SynchronousTestCase):
    """Requests out, replies back."""

    def ask(
        self, code: int = 200, body: bytes | None = b"{}", *, method: str = "GET", **fields: Any
    ) -> Deferred[Reply]:
        """Pass a request on to a site that answers this."""
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
        """It is a datasource."""
        verifyObject(IRouterDatasource, HttpDatasource("http://behind"))

    def test_get(self) -> None:
        """Data goes into the query, beside what stands there; the result comes back on one line."""
        data = msgspec.Raw(b'{"limit":5,"name":"a b","deep":{"x":true}}')
        reply = self.successResultOf(self.ask(body=b'{\n"id": 7}', data=data, query="page=2"))
        self.assertEqual(reply, Reply(200, b'{ "id": 7}'))
        [(method, uri, headers, body)] = self.site.asked
        self.assertEqual((method, body), (b"GET", b""))
        self.assertEqual(uri, b"/api/items/7?page=2&limit=5&name=a+b&deep=%7B%22x%22%3Atrue%7D")
        self.assertEqual(headers[b"Authorization"], [b"Bearer x"])
        self.assertNotIn(b"Content-Type", headers)

    def test_post(self) -> None:
        """Data is the body, as it is; what a chain of calls has in common goes along."""
        meta = {"request_id": "r1", "traceparent": "00-ab-cd-01", "idempotency_key": "k", "own": "x"}
        data = msgspec.Raw(b'{"name": "Pen"}')
        self.successResultOf(self.ask(method="POST", data=data, meta=meta, auth_token="secret"))
        [(method, uri, headers, body)] = self.site.asked
        self.assertEqual((method, uri, body), (b"POST", b"/api/items/7", b'{"name": "Pen"}'))
        self.assertEqual(headers[b"Content-Type"], [b"application/json"])
        lowered = {name.lower(): value for name, value in headers.items()}
        self.assertEqual(lowered[b"x-request-id"], [b"r1"])
        self.assertEqual(lowered[b"traceparent"], [b"00-ab-cd-01"])
        self.assertEqual(lowered[b"idempotency-key"], [b"k"])
        self.assertNotIn("secret", repr(headers))

    def test_nothing(self) -> None:
        """An empty answer is null."""
        self.assertEqual(self.successResultOf(self.ask(204, b"")), Reply(200, b"null"))

    def test_failures(self) -> None:
        """A failure keeps its code, and what is particular to it, in whichever form that is told."""
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
        """What is no JSON is a bad gateway, and so is text that is not UTF-8."""
        for body in (b"<h1>hello</h1>", b'{"a": ', b'"\xff"'):
            self.failureResultOf(self.ask(body=body), BadGateway)

    def test_too_large(self) -> None:
        """No more than the limit is kept of an answer."""
        self.failureResultOf(self.ask(body=b'"' + b"x" * 100 + b'"'), TooLarge)
        self.successResultOf(self.ask(body=b'"' + b"x" * 90 + b'"'))

    def test_late(self) -> None:
        """It is told how long it may take, and that it has taken longer."""
        asked: list[float] = []

        class Late:
            """Knows only time-outs."""

            def request(self, *words: Any, timeout: float, **more: Any) -> Deferred[Any]:
                """Be cancelled, as treq's are."""
                asked.append(timeout)
                late = CancelledError()
                return fail(late if len(asked) == 1 else ResponseNeverReceived([Failure(late)]))

        source = HttpDatasource("http://behind", client=Late())
        for request in Request("GET", "/", timeout=0.5), Request("GET", "/"):
            self.failureResultOf(Deferred.fromCoroutine(source.handle(request)), DeadlineExceeded)
        self.assertEqual(asked, [0.5, 30.0])

    def test_not_there(self) -> None:
        """Where nobody listens, the service is unavailable."""

        class Absent:
            """Is not there."""

            def request(self, *words: Any, **more: Any) -> Deferred[Any]:
                """Be refused."""
                return fail(network.ConnectionRefusedError())

        source = HttpDatasource("http://behind", client=Absent())
        self.failureResultOf(Deferred.fromCoroutine(source.handle(Request("GET", "/"))), Unavailable)
