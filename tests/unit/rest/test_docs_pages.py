"""``/docs`` and ``/openapi.json``."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any
from urllib.parse import urljoin

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Request, Site

from tests.unit.rest.docs_page_requests import FILES, STATIC, PagesTestCase
from unixsvc.errors import BadGateway, DeadlineExceeded, NotFound, Unavailable


class DocumentTests(PagesTestCase):
    """``/openapi.json``."""

    def test_document(self) -> None:
        """The document is made for each request."""
        for title in ("Shop", "Another shop"):
            self.document["info"]["title"] = title
            response = self.request("/openapi.json")
            self.assertEqual((response.code, response["Content-Type"]), (200, "application/json"))
            self.assertEqual(json.loads(response.body), self.document)
            self.assertEqual(response.length, len(response.body))
        self.assertEqual(self.calls, 2)

    def test_not_modified(self) -> None:
        """A client that has the document gets 304 until it changes."""
        etag = self.request("/openapi.json")["ETag"] or ""
        known = self.request("/openapi.json", If_None_Match=f'"other", {etag}')
        self.assertEqual((known.code, known.body, known["ETag"]), (304, b"", etag))
        self.document["info"]["version"] = "2"
        self.assertEqual(self.request("/openapi.json", If_None_Match=etag).code, 200)

    def test_not_modified_headers(self) -> None:
        """304 has neither a length nor a type."""
        etag = (self.request("/openapi.json")["ETag"] or "").encode()
        channel, transport = Site(self.klein.resource()).buildProtocol(None), StringTransport()
        channel.makeConnection(transport)
        channel.dataReceived(
            b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: %b\r\n\r\n" % etag
        )
        head = transport.value().lower()
        self.assertIn(b" 304 ", head)
        for name in (b"content-length", b"content-type", b"content-encoding", b"transfer-encoding"):
            self.assertNotIn(b"\n" + name, head)
        channel.connectionLost(Failure(ConnectionDone()))

    def test_revalidate(self) -> None:
        """The document and the page may be cached, but have to be revalidated."""
        for path in ("/openapi.json", "/docs"):
            self.assertEqual(self.request(path)["Cache-Control"], "no-cache")

    def test_compressed(self) -> None:
        """A long document is compressed for clients that accept gzip, with an ETag of its own."""
        self.document["info"]["description"] = "many words " * 200
        plain = self.request("/openapi.json")
        packed = self.request("/openapi.json", Accept_Encoding="br, gzip")
        self.assertEqual(packed["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertEqual(packed.length, len(packed.body))
        self.assertNotEqual(packed["ETag"], plain["ETag"])
        self.assertEqual([plain["Vary"], packed["Vary"]], ["Accept-Encoding"] * 2)
        self.assertIsNone(plain["Content-Encoding"])
        self.assertIsNone(self.request("/openapi.json", Accept_Encoding="gzip;q=0")["Content-Encoding"])
        known = self.request("/openapi.json", Accept_Encoding="gzip", If_None_Match=packed["ETag"] or "")
        self.assertEqual((known.code, known["Vary"]), (304, "Accept-Encoding"))

    def test_short(self) -> None:
        """A short document is not compressed."""
        self.assertIsNone(self.request("/openapi.json", Accept_Encoding="gzip")["Content-Encoding"])

    def test_unavailable(self) -> None:
        """If a mounted service is not available, the response is 503 without details."""
        for error in (Unavailable(), DeadlineExceeded("secret"), BadGateway("secret")):
            self.assertRefused(error, 503, "Service unavailable", retry="1")

    def test_failure(self) -> None:
        """Any other error is 500, and is logged."""
        for error in (RuntimeError("secret"), NotFound("secret")):
            self.assertRefused(error, 500, "Internal Server Error", retry=None)
            self.assertEqual(len(self.flushLoggedErrors(type(error))), 2)

    def test_no_document(self) -> None:
        """A document that cannot be encoded or has no title is 500."""
        self.document = {"info": {"title": object()}}
        self.assertEqual(self.request("/openapi.json").code, 500)
        self.document = {}
        self.assertEqual(self.request("/docs").code, 500)
        self.assertEqual([len(self.flushLoggedErrors(kind)) for kind in (TypeError, KeyError)], [1, 1])

    def assertRefused(self, error: Exception, code: int, title: str, retry: str | None) -> None:
        """Assert that both pages respond with this problem."""

        async def openapi() -> dict[str, Any]:
            raise error

        self.agent = RequestTraversalAgent(self.add_pages(openapi).resource())
        for path in ("/openapi.json", "/docs"):
            response = self.request(path)
            self.assertEqual((response.code, response["Content-Type"]), (code, "application/problem+json"))
            self.assertEqual((response["Retry-After"], response["Cache-Control"]), (retry, "no-store"))
            found = json.loads(response.body)
            self.assertEqual((found["status"], found["title"]), (code, title))
            self.assertNotIn(b"secret", response.body)

    def test_problem_names_request(self) -> None:
        """A problem has the request id of the response."""

        class Named(Resource):
            isLeaf = True

            def render(self, request: Request) -> Any:
                request.setHeader(b"X-Request-Id", b"r-7")
                return inner.render(request)

        async def openapi() -> dict[str, Any]:
            raise Unavailable

        inner = self.add_pages(openapi).resource()
        self.agent = RequestTraversalAgent(Named())
        self.assertEqual(json.loads(self.request("/docs").body)["instance"], "urn:unixsvc:request:r-7")

    def test_disconnect(self) -> None:
        """A client that disconnects before the document is there leaves no log entry."""
        pending: Deferred[dict[str, Any]] = Deferred()

        async def openapi() -> dict[str, Any]:
            return await pending

        self.agent = RequestTraversalAgent(self.add_pages(openapi).resource())
        response = self.agent.request(b"GET", b"http://shop.example/docs")
        self.agent.flush()
        response.cancel()
        self.agent.flush()
        self.failureResultOf(response)
        self.assertTrue(pending.called)
        self.assertEqual(self.flushLoggedErrors(), [])


class PageTests(PagesTestCase):
    """``/docs``."""

    def test_title(self) -> None:
        """The title is that of the document, escaped."""
        self.document["info"]["title"] = "</title><script>alert(1)</script> $init & Co"
        response = self.request("/docs")
        self.assertEqual((response.code, response["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn(
            b"<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt; $init &amp; Co</title>",
            response.body,
        )

    def test_policy(self) -> None:
        """The Content-Security-Policy allows the page's own host only, and no frames."""
        response = self.request("/docs")
        rules = dict(
            rule.strip().split(" ", 1) for rule in (response["Content-Security-Policy"] or "").split(";")
        )
        self.assertEqual(
            rules,
            {
                "default-src": "'none'",
                "script-src": "'self'",
                "style-src": "'self'",
                "img-src": "'self' data:",
                "connect-src": "'self'",
                "base-uri": "'none'",
                "form-action": "'none'",
                "frame-ancestors": "'none'",
            },
        )

    def test_no_inline_scripts(self) -> None:
        """The page follows its policy: scripts and styles are files."""
        text = self.request("/docs").body.decode()
        self.assertEqual(re.findall(r"<script(?! src=)[^>]*>|<style|\sstyle=|\son\w+=|javascript:", text), [])
        self.assertEqual(len(re.findall(r'<script src="[^"]+"></script>', text)), 2)

    def test_security_headers(self) -> None:
        """Every response has nosniff, no frames and no referrer."""
        for path in ("/openapi.json", "/docs", "/docs/", *(f"/docs/{name}" for name in FILES)):
            response = self.request(path)
            self.assertEqual(
                (response["X-Content-Type-Options"], response["X-Frame-Options"]), ("nosniff", "DENY")
            )
            self.assertEqual(response["Referrer-Policy"], "no-referrer")

    def test_prefix(self) -> None:
        """The URLs of the page and of its scripts work below any prefix."""
        root, below = Resource(), Resource()
        root.putChild(b"v1", below)
        below.putChild(b"api", self.klein.resource())
        for resource, prefix in ((self.klein.resource(), ""), (root, "/v1/api")):
            self.agent = RequestTraversalAgent(resource)
            text = self.request(f"{prefix}/docs").body.decode()
            found = re.findall(r'(?:src|href)="([^"]+)"', text)
            self.assertEqual(len(found), 5)
            for each in found:
                self.assertEqual(self.request(urljoin(f"{prefix}/docs", each)).code, 200, each)
        self.assertIn('new URL("openapi.json", document.baseURI)', (STATIC / "init.js").read_text("utf-8"))

    def test_slash(self) -> None:
        """A slash at the end is a redirect, below the same prefix."""
        response = self.request("/docs/")
        self.assertEqual((response.code, response["Location"], response.body), (308, "../docs", b""))
        self.assertEqual(urljoin("/v1/api/docs/", "../docs"), "/v1/api/docs")

    def test_head(self) -> None:
        """HEAD has the headers of GET, and no body."""
        for path in ("/openapi.json", "/docs", "/docs/swagger-ui.css"):
            head, whole = self.request(path, "HEAD"), self.request(path)
            self.assertEqual((head.code, head.body), (200, b""))
            self.assertEqual(head["Content-Length"], str(whole.length))
            for name in ("Content-Type", "ETag", "Cache-Control", "Content-Security-Policy"):
                self.assertEqual(head[name], whole[name])

    def test_settings(self) -> None:
        """The page stores no token, takes no settings from its URL, and loads nothing from other hosts."""
        text = (STATIC / "init.js").read_text("utf-8")
        for each in ("persistAuthorization: false", "queryConfigEnabled: false", "validatorUrl: null"):
            self.assertIn(each, text)
        self.assertNotIn("//", re.sub(r"^\s*//.*|\s// .*", "", text, flags=re.MULTILINE))

    def test_names(self) -> None:
        """An action of the application with the name of a page's action does not replace it."""

        def own(request: Request) -> bytes:
            return b"own"

        for name in ("openapi", "page", "give", "docs", "_slash"):
            own.__name__ = name
            self.klein.route(f"/own/{name}")(own)
        self.assertEqual(json.loads(self.request("/openapi.json").body), self.document)
        self.assertIn(b"swagger-ui", self.request("/docs").body)
        self.assertEqual(self.request("/docs/").code, 308)
        self.assertEqual(self.request("/own/openapi").body, b"own")
