import gzip

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import Site

from tests.unit.rest.http_requests import (
    TOKEN,
    FakeHandle,
    GatewayHarness,
    RawClient,
    Response,
    header_values,
)
from unixsvc.config.http import Http
from unixsvc.domain.message import Reply
from unixsvc.errors import RateLimited, Unavailable
from unixsvc.routing.route import GET, POST, Group, Route


async def hello(name: str = "world") -> dict[str, str]:
    """Greets."""
    return {"hello": name}


async def long(size: int) -> str:
    """Returns so many letters."""
    return "x" * size


ROUTES: list[Group | Route] = [
    GET("/hello", hello, public=True),
    POST("/hello", hello),
    GET("/long", long, public=True),
]


class RepliesTests(SynchronousTestCase):
    def request(self, reply: Reply, method: str = "GET", **headers: str) -> Response:
        """The response to a reply."""
        return GatewayHarness(handle=FakeHandle(reply)).request(method, "/x", headers=headers)

    def test_created(self) -> None:
        """Created is 201 with a Location that is a valid URL."""
        found = self.request(Reply(200, b'{"id":7}', location="/things/7?a=b"), "POST")
        self.assertEqual(
            (found.code, found.header("Location"), found.json), (201, "/things/7?a=b", {"id": 7})
        )
        found = self.request(Reply(200, b"7", location="/a b\r\nEvil: 1/\u00fc/%2F"), "POST")
        self.assertEqual(found.header("Location"), "/a%20b%0D%0AEvil:%201/%C3%BC/%2F")

    def test_created_no_location(self) -> None:
        """Created without a location is 201, for null without a body."""
        found = self.request(Reply(200, b"null", location=""), "POST")
        self.assertEqual((found.code, found.header("Location"), found.body), (201, None, b""))
        client = RawClient(
            Site(
                GatewayHarness(handle=FakeHandle(Reply(200, b"null", location=""))).resource, reactor=Clock()
            )
        )
        self.assertEqual(header_values(client.request("POST", "/x"), b"Content-Length"), [b"0"])

    def test_retry_after(self) -> None:
        """Retry-After is rounded up to whole seconds."""
        for error, seconds in ((RateLimited(1.2), "2"), (Unavailable(3), "3"), (Unavailable(0), "0")):
            found = self.request(Reply(error.code, b"", error.message, error.detail))
            self.assertEqual((found.code, found.header("Retry-After")), (error.code, seconds))
        for detail in (
            None,
            "x",
            {"retry_after": "1\r\nEvil: 1"},
            {"retry_after": float("inf")},
            {"retry_after": -1},
        ):
            self.assertIsNone(self.request(Reply(503, b"", "x", detail)).header("Retry-After"))

    def test_codes(self) -> None:
        """Status codes are those of replies; one that HTTP cannot have is 500."""
        for code in (403, 408, 409, 410, 413, 418, 429, 499, 502, 504, 599):
            self.assertEqual(self.request(Reply(code, b"", "x")).code, code)
        self.assertEqual(self.request(Reply(1000, b"", "x")).code, 500)


class ETagTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Start a gateway."""
        self.request = GatewayHarness(*ROUTES).request

    def test_not_modified(self) -> None:
        """A client that has the body gets 304 with the ETag and no body."""
        etag = self.request("GET", "/hello").header("ETag")
        for value in (etag, f'"x", W/{etag}', "*"):
            for method in ("GET", "HEAD"):
                found = self.request(method, "/hello", headers={"If-None-Match": value})
                self.assertEqual((found.code, found.body, found.header("ETag")), (304, b"", etag))
                self.assertIsNone(found.header("Content-Type"))
                self.assertIsNone(found.header("Content-Length"))

    def test_modified(self) -> None:
        """A client that has another body gets the new one."""
        etag = self.request("GET", "/hello?name=x").header("ETag")
        assert etag is not None
        found = self.request("GET", "/hello", headers={"If-None-Match": etag})
        self.assertEqual((found.code, found.json), (200, {"hello": "world"}))

    def test_get_only(self) -> None:
        """Responses to other methods than GET and HEAD, and errors, have no ETag."""
        self.assertIsNone(self.request("POST", "/hello", TOKEN, json={"name": "a"}).header("ETag"))
        found = self.request("GET", "/nowhere", headers={"If-None-Match": "*"})
        self.assertEqual((found.code, found.header("ETag")), (404, None))


class GzipTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Start a gateway, and connect a client."""
        harness = GatewayHarness(*ROUTES, http=Http(docs=False, gzip_over=100))
        self.client = RawClient(Site(harness.resource, reactor=Clock()))

    def request(self, size: int, accept: str, *headers: str, method: str = "GET") -> tuple[bytes, bytes]:
        """The head and the body of the response."""
        response = self.client.request(method, f"/long?size={size}", f"Accept-Encoding: {accept}", *headers)
        head, _, body = response.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n", body

    def test_long(self) -> None:
        """A long body is compressed for a client that accepts gzip."""
        head, body = self.request(1000, "br, gzip")
        self.assertEqual(header_values(head, b"Content-Encoding"), [b"gzip"])
        self.assertEqual(header_values(head, b"Content-Length"), [b"%d" % len(body)])
        self.assertEqual(header_values(head, b"Vary"), [b"Accept-Encoding"])
        self.assertEqual(gzip.decompress(body), b'"%b"' % (b"x" * 1000))

    def test_refused(self) -> None:
        """A client that does not accept gzip gets the plain body, with Vary for caches."""
        for accept in ("gzip;q=0", "br", "identity"):
            head, body = self.request(1000, accept)
            self.assertEqual(header_values(head, b"Content-Encoding"), [])
            self.assertEqual(header_values(head, b"Vary"), [b"Accept-Encoding"])
            self.assertEqual(len(body), 1002)

    def test_short(self) -> None:
        """A short body is never compressed."""
        head, body = self.request(98, "gzip")
        self.assertEqual((header_values(head, b"Content-Encoding"), len(body)), ([], 100))
        self.assertEqual(header_values(head, b"Vary"), [])

    def test_etags(self) -> None:
        """The plain and the compressed body have different ETags."""
        packed, plain = (header_values(self.request(1000, each)[0], b"ETag")[0] for each in ("gzip", "br"))
        self.assertNotEqual(packed, plain)
        for etag, code in ((packed, b" 304 "), (plain, b" 200 ")):
            head, _ = self.request(1000, "gzip", f"If-None-Match: {etag.decode()}")
            self.assertIn(code, head)

    def test_head(self) -> None:
        """HEAD has the headers that GET would have."""
        head, body = self.request(1000, "gzip", method="HEAD")
        whole, _ = self.request(1000, "gzip")
        self.assertEqual(body, b"")
        for name in (b"Content-Length", b"Content-Encoding", b"ETag"):
            self.assertEqual(header_values(head, name), header_values(whole, name))

    def test_off(self) -> None:
        """With 0, nothing is compressed."""
        harness = GatewayHarness(*ROUTES, http=Http(docs=False, gzip_over=0))
        response = RawClient(Site(harness.resource, reactor=Clock())).request(
            "GET", "/long?size=9999", "Accept-Encoding: gzip"
        )
        self.assertEqual(header_values(response, b"Content-Encoding") + header_values(response, b"Vary"), [])
