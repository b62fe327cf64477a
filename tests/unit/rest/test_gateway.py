from typing import Any

from msgspec import Struct
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from tests.unit.rest.http_requests import TOKEN, FakeHandle, GatewayHarness, RawClient, header_values
from unixsvc.config.http import Http
from unixsvc.domain.message import Reply, Request
from unixsvc.errors import Conflict
from unixsvc.routing.route import DELETE, GET, HEAD, OPTIONS, POST, Group, Route

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class New(Struct):
    """The body of a request."""

    name: str
    size: int = 1


async def hello(name: str = "world") -> dict[str, str]:
    """Returns at once."""
    return {"hello": name}


async def make(new: New) -> New:
    """Returns its arguments."""
    return new


async def nothing() -> None:
    """Returns None."""


async def show(id: str) -> str:
    """Returns a segment of the path."""
    return id


async def crash() -> str:
    """Raises an unexpected exception."""
    raise RuntimeError("the secret")


async def caller(request: Request) -> dict[str, Any]:
    """Returns the caller, as the action sees it."""
    return {"id": request.request_id, "meta": request.meta, "timeout": request.timeout}


ROUTES: list[Group | Route] = [
    GET("/hello", hello, public=True),
    POST("/hello", make),
    DELETE("/hello", nothing),
    GET("/things/{id}", show, public=True),
    GET("/crash", crash, public=True),
    GET("/who", caller, public=True),
]


class AnswersTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Start a gateway."""
        self.harness = GatewayHarness(*ROUTES)
        self.request = self.harness.request

    def test_success(self) -> None:
        """The result of an action is JSON, with headers that keep browsers from interpreting it."""
        found = self.request("GET", "/hello?name=you")
        self.assertEqual((found.code, found.json), (200, {"hello": "you"}))
        for name, value in {
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        }.items():
            self.assertEqual(found.header(name), value)
        self.assertIsNotNone(found.header("Date"))
        for name in ("Server", "Vary", "Cache-Control"):
            self.assertIsNone(found.header(name))

    def test_data(self) -> None:
        """JSON, a form and a multipart form are equal for the action."""
        fields = "--xx\r\nContent-Disposition: form-data; name={}\r\n\r\n{}\r\n"
        parts = fields.format("name", "a") + fields.format("size", "2") + "--xx--"
        for kind, body in {
            "application/json": '{"name": "a", "size": 2}',
            "application/x-www-form-urlencoded": "name=a&size=2",
            "multipart/form-data; boundary=xx": parts,
        }.items():
            found = self.request("POST", "/hello", TOKEN, data=body.encode(), headers={"Content-Type": kind})
            self.assertEqual((found.code, found.json), (200, {"name": "a", "size": 2}), kind)

    def test_rejected_bodies(self) -> None:
        """Another media type is 415, malformed JSON is 400; neither is handled as a message."""
        for kind, body, code in (("text/csv", b"a", 415), ("application/json", b"{", 400)):
            found = self.request("POST", "/hello", TOKEN, data=body, headers={"Content-Type": kind})
            self.assertEqual((found.code, found.json["status"]), (code, code))
            self.assertEqual(found.header("Content-Type"), "application/problem+json")
        self.assertEqual(self.harness.stats.snapshot().all.requests, 0)

    def test_null(self) -> None:
        """The result null is 204, without Content-Type and Content-Length."""
        found = self.request("DELETE", "/hello", TOKEN)
        self.assertEqual((found.code, found.body), (204, b""))
        self.assertIsNone(found.header("Content-Type"))
        self.assertIsNone(found.header("Content-Length"))

    def test_path(self) -> None:
        """The router gets the path undecoded: an escaped slash is part of a segment."""
        self.assertEqual(self.request("GET", "/things/a%2Fb").json, "a/b")
        self.assertEqual(self.request("GET", "/things/a/b").code, 404)
        self.assertEqual(self.request("GET", "/things/%FF").code, 400)

    def test_not_found(self) -> None:
        """An unknown path is a problem as others, and is counted."""
        found = self.request("GET", "/nowhere")
        self.assertEqual((found.code, found.json["title"]), (404, "Not found"))
        self.assertEqual(self.harness.stats.snapshot().all.codes, {404: 1})

    def test_invalid(self) -> None:
        """Invalid arguments are reported by field."""
        found = self.request("POST", "/hello", TOKEN, json={"size": "x"})
        self.assertEqual(
            (found.code, [each["field"] for each in found.json["errors"]]), (422, ["name", "size"])
        )

    def test_crash(self) -> None:
        """An unexpected exception is 500 without details; it is logged with the request id."""
        found = self.request("GET", "/crash", headers={"X-Request-Id": "r1"})
        self.assertEqual(found.code, 500)
        self.assertNotIn(b"secret", found.body)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(found.json["instance"], "urn:unixsvc:request:r1")

    def test_unauthorized(self) -> None:
        """A missing or wrong token is 401 with WWW-Authenticate."""
        for token in (None, "wrong"):
            found = self.request("POST", "/hello", token, json={"name": "a"})
            self.assertEqual((found.code, found.header("WWW-Authenticate")), (401, "Bearer"))

    def test_token_hint(self) -> None:
        """401 tells a client without a token how to send one, and a client with a wrong token nothing new."""
        there = GatewayHarness(*ROUTES, policy="required")
        for found in (self.request("POST", "/hello", json={"name": "a"}), there.request("GET", "/hello")):
            self.assertEqual(found.json["detail"], "show the token as Authorization: Bearer TOKEN")
        basic = self.request("POST", "/hello", json={"name": "a"}, headers={"Authorization": "Basic abc"})
        self.assertIn("Bearer", basic.json["detail"])
        self.assertEqual(
            self.request("POST", "/hello", "wrong", json={}).json["detail"], "auth_token is wrong"
        )

    def test_own_401(self) -> None:
        """An application's own 401 keeps its detail; if tokens are off, there is no hint."""
        for reply, http in (
            (Reply(401, b"", "Unauthorized", "no such user"), Http(docs=False)),
            (Reply(401, b"", "Unauthorized"), Http(docs=False, token="off")),
        ):
            found = GatewayHarness(handle=FakeHandle(reply), http=http).request("GET", "/x")
            self.assertEqual(found.json.get("detail"), reply.detail)

    def test_token_per_request(self) -> None:
        """The token counts for one request, not for the connection."""
        client = RawClient(self.harness.site)
        self.assertIn(b" 204 ", client.request("DELETE", "/hello", f"Authorization: Bearer {TOKEN}"))
        self.assertIn(b" 401 ", client.request("DELETE", "/hello"))

    def test_no_store(self) -> None:
        """Responses to requests with a token are not stored by caches."""
        self.assertEqual(self.request("GET", "/hello", TOKEN).header("Cache-Control"), "no-store")

    def test_ids(self) -> None:
        """Request id and traceparent are returned, and are visible to the action."""
        headers = {"X-Request-Id": "r1", "Traceparent": TRACE, "X-Request-Timeout": "5"}
        found = self.request("GET", "/who", headers=headers)
        meta = {"request_id": "r1", "traceparent": TRACE}
        self.assertEqual(found.json, {"id": "r1", "meta": meta, "timeout": 5.0})
        self.assertEqual((found.header("X-Request-Id"), found.header("Traceparent")), ("r1", TRACE))

    def test_generated_id(self) -> None:
        """A request without an id gets one, the same for client, action and log."""
        found = self.request("GET", "/who")
        self.assertEqual(found.header("X-Request-Id"), found.json["id"])
        self.assertIsNone(found.header("Traceparent"))
        self.assertIsNotNone(
            self.request("GET", "/who", headers={"X-Request-Timeout": "x"}).header("X-Request-Id")
        )

    def test_accept(self) -> None:
        """Accept is ignored: the response is JSON."""
        found = self.request("GET", "/hello", headers={"Accept": "text/html"})
        self.assertEqual((found.code, found.header("Content-Type")), (200, "application/json"))


class PagesTests(SynchronousTestCase):
    def test_document(self) -> None:
        """The OpenAPI document is served unless the configuration disables it."""
        there = GatewayHarness(*ROUTES, http=Http())
        found = there.request("GET", "/openapi.json")
        self.assertEqual((found.code, found.json["openapi"][:3]), (200, "3.1"))
        self.assertIn("/hello", found.json["paths"])
        self.assertEqual(there.request("GET", "/docs").code, 200)
        self.assertEqual(GatewayHarness(*ROUTES).request("GET", "/docs").code, 404)

    def test_route_before_page(self) -> None:
        """A route of the application takes precedence over a page."""
        found = GatewayHarness(GET("/docs", hello, public=True), http=Http()).request("GET", "/docs")
        self.assertEqual(found.json, {"hello": "world"})


class MethodsTests(SynchronousTestCase):
    def test_not_allowed(self) -> None:
        """405 has the allowed methods in the header and the body."""
        found = GatewayHarness(*ROUTES).request("PUT", "/hello")
        self.assertEqual((found.code, found.header("Allow")), (405, "DELETE, GET, HEAD, OPTIONS, POST"))
        self.assertEqual(found.json["allowed"], ["DELETE", "GET", "POST"])

    def test_head(self) -> None:
        """HEAD is GET without the body, with its length and ETag."""
        there = GatewayHarness(*ROUTES)
        whole, head = there.request("GET", "/hello"), there.request("HEAD", "/hello")
        self.assertEqual((head.code, head.body), (200, b""))
        self.assertEqual(head.header("Content-Length"), str(len(whole.body)))
        self.assertEqual(head.header("ETag"), whole.header("ETag"))

    def test_head_without_get(self) -> None:
        """Without a route for GET, HEAD is 405; an unknown path is 404."""
        there = GatewayHarness(POST("/only", make))
        found = there.request("HEAD", "/only")
        self.assertEqual((found.code, found.header("Allow")), (405, "OPTIONS, POST"))
        self.assertEqual(there.request("HEAD", "/nowhere").code, 404)

    def test_own_head(self) -> None:
        """A route for HEAD takes precedence over that for GET."""

        async def refuse() -> None:
            raise Conflict

        self.assertEqual(
            GatewayHarness(GET("/x", hello), HEAD("/x", refuse, public=True)).request("HEAD", "/x").code, 409
        )

    def test_options(self) -> None:
        """OPTIONS returns the methods of a path; an unknown path is 404."""
        there = GatewayHarness(*ROUTES)
        found = there.request("OPTIONS", "/hello")
        self.assertEqual((found.code, found.body), (204, b""))
        self.assertEqual(found.header("Allow"), "DELETE, GET, HEAD, OPTIONS, POST")
        self.assertEqual(there.request("OPTIONS", "/nowhere").code, 404)

    def test_own_options(self) -> None:
        """A route for OPTIONS takes precedence."""
        found = GatewayHarness(OPTIONS("/x", hello, public=True)).request("OPTIONS", "/x")
        self.assertEqual((found.code, found.json), (200, {"hello": "world"}))

    def test_untrusted_methods(self) -> None:
        """Allowed methods from another service cannot inject a header."""
        detail = {"allowed": ["GET", "X\r\nEvil: 1", 7]}
        client = RawClient(
            Site(GatewayHarness(handle=FakeHandle(Reply(405, b"", "no", detail))).resource, reactor=Clock())
        )
        self.assertEqual(header_values(client.request("PUT", "/x"), b"Allow"), [b"GET, HEAD, OPTIONS"])

    def test_star(self) -> None:
        """OPTIONS * is about the server; its response has no body."""
        harness = GatewayHarness(*ROUTES)
        client = RawClient(harness.site)
        client.channel.dataReceived(b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.assertRegex(client.received(), rb"^HTTP/1.1 204 No Content\r\nDate: [^\r]*\r\n\r\n$")
        self.assertEqual(harness.stats.snapshot().all.requests, 0)
