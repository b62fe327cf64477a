"""Results with status, headers, cookies and media types over HTTP: of the own application, and of a mount."""

from __future__ import annotations

import gzip
from collections import Counter
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from tests.conformance.every_kind.app import app as every_kind
from tests.unit.rest.result_routes import RESULTS
from unixsvc import App
from unixsvc.config.http import Cors, Http
from unixsvc.domain.reply_head import WrongHeader
from unixsvc.domain.results.redirect_target import WrongTarget
from unixsvc.testing import MemoryHttp, MemoryService
from unixsvc.testing.http_response import HttpResponse


class _ResultCase(SynchronousTestCase):
    mounted: ClassVar[bool]
    http = Http(gzip_over=1000, cors=Cors(origins=("https://a.example",)))

    def serve(self, app: App, prefix: str) -> MemoryHttp:
        """A client of an application, or of a gateway that mounts it under ``/api``."""
        self.prefix = "/api" if self.mounted else prefix
        if not self.mounted:
            return MemoryHttp(app, http=self.http)
        inner = {"inner": MemoryService(app)}
        return MemoryHttp(App([]), mounts={"/api": f"inner:{prefix}"}, services=inner, http=self.http)

    def setUp(self) -> None:
        """Start both."""
        self.kinds = self.serve(every_kind, "/results")
        self.more = self.serve(RESULTS, "/more")

    def kind(
        self, method: str, path: str, headers: dict[str, str] | None = None, **data: object
    ) -> HttpResponse:
        """A response of the application with each kind of result."""
        prefix = "/api" if self.mounted else "/results"
        if method == "POST":
            return self.kinds.request(method, prefix + path, headers=headers or {}, json=data).wait()
        return self.kinds.request(method, prefix + path, headers=headers or {}).wait()

    def get(self, path: str, method: str = "GET", **headers: str) -> HttpResponse:
        """A response of the other application."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.more.request(method, self.prefix + path, headers=fields).wait()

    def post(self, path: str, **data: object) -> HttpResponse:
        """The response to a request with a body."""
        return self.more.post(self.prefix + path, json=data).wait()


class ResultTests(_ResultCase):
    mounted = False

    def test_status(self) -> None:
        """The annotation, the result or its kind decides the status."""
        for method, path, status in (
            ("POST", "/accepted", 202),
            ("GET", "/items", 200),
            ("POST", "/items", 201),
            ("DELETE", "/session", 204),
            ("GET", "/moved/3", 307),
            ("GET", "/maybe/3", 204),
            ("GET", "/maybe/30", 200),
            ("GET", "/maybe/60", 303),
        ):
            found = self.kind(method, path, id=7, name="Ada")
            self.assertEqual(found.status_code, status, path)

    def test_counted(self) -> None:
        """Metrics count the status that is sent."""
        sent = Counter(
            self.kind(method, path, id=7, name="Ada").status_code
            for method, path in (
                ("POST", "/accepted"), ("GET", "/items"), ("POST", "/items"), ("DELETE", "/session"),
                ("GET", "/moved/3"), ("GET", "/maybe/3"), ("GET", "/maybe/30"), ("GET", "/maybe/60"),
                ("GET", "/absent"),
            )
        )  # fmt: skip
        self.assertEqual(set(sent), {200, 201, 202, 204, 303, 307, 404})
        host = self.successResultOf(self.kinds.when_started())
        self.assertEqual(host.metrics().all.codes, dict(sent))

    def test_empty(self) -> None:
        """A redirect has an empty body, and its length; 204 has neither, nor a media type."""
        moved = self.kind("GET", "/moved/3")
        self.assertEqual((moved.content, moved.headers["Content-Length"]), (b"", "0"))
        for response in (moved, self.kind("DELETE", "/session")):
            self.assertNotIn("Content-Type", response.headers)

    def test_location(self) -> None:
        """The target of a redirect is a path of the gateway, also through a mount."""
        self.assertEqual(self.kind("GET", "/moved/3").headers["Location"], self.prefix_of("/items/3"))
        self.assertEqual(
            self.kind("POST", "/items", name="a").headers["Location"], self.prefix_of("/items/7")
        )

    def prefix_of(self, path: str) -> str:
        """A path of the application with each kind of result."""
        return f"/api{path}" if self.mounted else f"/results{path}"

    def test_headers(self) -> None:
        """Headers and cookies are sent; a response with a cookie is not stored by caches."""
        self.assertEqual(self.kind("GET", "/items").headers["X-Total"], "9")
        self.assertEqual(self.kind("POST", "/items", name="a").headers["X-Version"], "1")
        session = self.kind("POST", "/session", name="Ada")
        cookie = "__Host-session=abc; Max-Age=3600; Path=/; Secure; HttpOnly; SameSite=Lax"
        self.assertEqual(session.headers.get_all("Set-Cookie"), [cookie])
        self.assertEqual(session.headers["Cache-Control"], "no-store")

    def test_added(self) -> None:
        """Headers that are added to a request go with any reply: of a stream, a Created, an error."""
        self.assertEqual(self.get("/added").headers["X-Added"], "1")
        made = self.post("/made")
        self.assertEqual((made.status_code, made.headers["X-Added"]), (201, "1"))
        self.assertTrue(made.headers["Location"].startswith("/api/made" if self.mounted else "/more/made"))
        self.assertEqual(self.get("/limited").headers["X-Added"], "1")

    def test_media_types(self) -> None:
        """Bytes and texts are sent as they are, with their media type; a text with its charset."""
        picture = self.kind("GET", "/picture/3")
        self.assertEqual((picture.content, picture.headers["Content-Type"]), (b"\x89PNG\x03", "image/png"))
        page = self.kind("GET", "/page/3")
        self.assertEqual(page.headers["Content-Type"], "text/html; charset=utf-8")
        self.assertEqual(page.content, b"<!doctype html><title>Item 3</title>")
        self.assertIn("attachment", self.kind("GET", "/table/3").headers["Content-Disposition"])

    def test_protection(self) -> None:
        """A browser executes nothing in a body, unless it is a page; the application may decide otherwise."""
        policy = "Content-Security-Policy"
        self.assertIn("default-src 'none'", self.kind("GET", "/picture/3").headers[policy])
        self.assertNotIn(policy, self.kind("GET", "/page/3").headers)
        self.assertEqual(self.get("/page").headers.get_all(policy), ["default-src 'self'"])
        for path in ("/picture/3", "/page/3", "/export"):
            self.assertEqual(self.kind("GET", path).headers["X-Content-Type-Options"], "nosniff")

    def test_etag(self) -> None:
        """A body that the client has is not sent again, whether the ETag is the application's or ours."""
        first = self.kind("GET", "/picture/3")
        again = self.kind("GET", "/picture/3", {"If-None-Match": first.headers["ETag"]})
        self.assertEqual((again.status_code, again.content), (304, b""))
        self.assertEqual(self.get("/cached").headers.get_all("ETag"), ['"v1"'])
        self.assertEqual(self.get("/cached", If_None_Match='"v1"').status_code, 304)
        self.assertEqual(self.get("/cached", If_None_Match='"v2"').status_code, 200)
        self.assertEqual(self.get("/weak", If_None_Match='W/"v1"').status_code, 304)

    def test_cache_control(self) -> None:
        """The Cache-Control of an application replaces that for requests with a token."""
        self.assertEqual(self.get("/cached").headers.get_all("Cache-Control"), ["public, max-age=60"])
        self.assertEqual(self.get("/text").headers.get_all("Cache-Control"), ["no-store"])

    def test_compressed(self) -> None:
        """Texts are compressed for clients that accept it; images are not."""
        text = self.get("/text", Accept_Encoding="gzip")
        self.assertEqual(text.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(text.content), b"a" * 9999)
        picture = self.get("/picture", Accept_Encoding="gzip")
        self.assertNotIn("Content-Encoding", picture.headers)

    def test_head(self) -> None:
        """HEAD has the headers of GET, and no body."""
        for path in ("/picture/3", "/page/3", "/items", "/export"):
            head, full = self.kind("HEAD", path), self.kind("GET", path)
            self.assertEqual(head.content, b"")
            for name in ("Content-Type", "Content-Length", "ETag", "X-Total"):
                self.assertEqual(head.headers[name], full.headers[name], (path, name))

    def test_cors(self) -> None:
        """Pages of other origins that may read responses may read these."""
        found = self.get("/cached", Origin="https://a.example")
        self.assertEqual(found.headers["Access-Control-Allow-Origin"], "https://a.example")
        self.assertIn("Origin", found.headers["Vary"])

    def test_stream_of_bytes(self) -> None:
        """Bytes are sent as they are made, with the headers of a Response."""
        export = self.kind("GET", "/export")
        self.assertEqual((export.content, export.headers["Content-Type"]), (b"0\n1\n2\n", "text/csv"))
        self.assertEqual(export.headers["X-Accel-Buffering"], "no")
        self.assertIn("attachment", self.kind("GET", "/download").headers["Content-Disposition"])
        self.assertEqual(self.get("/texts").content, "é\n".encode())

    def test_empty_stream(self) -> None:
        """A stream without items has its headers all the same."""
        found = self.kind("GET", "/download?count=0")
        self.assertEqual((found.content, found.complete), (b"", True))
        self.assertIn("attachment", found.headers["Content-Disposition"])

    def test_stream_that_fails(self) -> None:
        """Bytes that end with a failure are cut off, so that they do not look complete."""
        broken = self.get("/broken")
        self.assertEqual((broken.status_code, broken.content, broken.complete), (200, b"a", False))

    def test_events(self) -> None:
        """An event has its id, name and retry, as server-sent event and as JSON line."""
        found = self.kind("GET", "/ticks?count=1", {"Accept": "text/event-stream"})
        self.assertEqual(found.content, b'id: 0\nevent: tick\nretry: 1000\ndata: {"id":0,"name":"Pen"}\n\n')
        lines = self.kind("GET", "/ticks?count=1")
        self.assertEqual(
            lines.items(), [{"data": {"id": 0, "name": "Pen"}, "id": "0", "event": "tick", "retry": 1000}]
        )
        text = self.get("/events", Accept="text/event-stream")
        self.assertEqual(text.content, b"event: note\ndata: one\ndata: two\n\n")
        self.assertEqual(text.headers["X-A"], "b")

    def test_resume(self) -> None:
        """An action gets the id of the last event that the client has seen."""
        headers = {"Accept": "text/event-stream", "Last-Event-ID": "41"}
        self.assertTrue(self.kind("GET", "/ticks", headers).content.startswith(b"id: 42\n"))

    def test_errors(self) -> None:
        """The headers of an error are sent, in place of ours with the same name."""
        limited = self.get("/limited")
        self.assertEqual(limited.status_code, 429)
        self.assertEqual(limited.headers.get_all("Retry-After"), ["9"])
        self.assertEqual(limited.headers["RateLimit-Remaining"], "0")

    def test_wrong_results(self) -> None:
        """A result that its annotation or its route does not allow is 500."""
        for path in ("/status", "/type", "/bytes"):
            self.assertEqual(self.get(path).status_code, 500, path)
        logged = self.flushLoggedErrors(ValueError, TypeError)
        self.assertEqual(len(logged), 3)

    def test_injection(self) -> None:
        """No way to set a header can add another one, or another response: the result is 500, without it."""
        for name, value in (
            ("X-A", "b\r\nX-Evil: 1"),
            ("X-A\r\nX-Evil", "1"),
            ("X-A: b\r\nX-Evil", "1"),
            ("X-A", "b\r\n\r\nHTTP/1.1 200 OK"),
            ("X-A", "\u010d\u010aX-Evil: 1"),
            ("Content-Length", "0"),
            ("Transfer-Encoding", "chunked"),
            ("Set-Cookie", "a=b\nX-Evil: 1"),
        ):
            response = self.post("/injected", name=name, value=value)
            self.assertEqual((response.status_code, response.headers["X-Evil"]), (500, None))
        for target in ("/x\r\nX-Evil: 1", "//evil.example", "javascript:alert(1)", "/\\evil.example"):
            response = self.post("/astray", target=target)
            self.assertEqual((response.status_code, response.headers["Location"]), (500, None))
        missing = self.get("/missing")
        self.assertEqual((missing.status_code, missing.headers["X-Evil"]), (500, None))
        self.assertEqual(len(self.flushLoggedErrors(WrongHeader, WrongTarget)), 13)

    def test_container(self) -> None:
        """Results with a container of the request have headers and bytes, too."""
        found = self.get("/contained")
        self.assertEqual((found.json(), found.headers["X-A"]), ({"id": 7}, "b"))
        self.assertEqual(self.get("/contained-bytes").content, b"7")


class PublicResultTests(SynchronousTestCase):
    """Requests without a token, whose responses caches may store."""

    def test_cookie(self) -> None:
        """A response that sets a cookie is not stored: a cache would give the cookie to others."""
        http = MemoryHttp(every_kind, token=None)
        session = http.post("/results/session", json={"name": "Ada"}).wait()
        self.assertEqual(session.headers.get_all("Cache-Control"), ["no-store"])
        self.assertNotIn("Cache-Control", http.get("/results/items").wait().headers)


class MountedResultTests(ResultTests):
    """The same through a mount: a service on a socket has the application."""

    mounted = True
