from email.utils import formatdate

from tests.unit.rest.files.file_requests import CONTENT, MODIFIED, FileTestCase

DATE = formatdate(MODIFIED, usegmt=True)
TAG = f'"{MODIFIED * 10**9:x}-400"'


class ResponseTests(FileTestCase):
    def test_whole(self) -> None:
        """A file is sent with its length, its validators, and headers that keep a browser from running it."""
        response = self.get("/small")
        self.assertEqual((response.code, response.body), (200, CONTENT))
        expected = {
            "Content-Type": "application/octet-stream",
            "Content-Length": "1024",
            "Accept-Ranges": "bytes",
            "ETag": TAG,
            "Last-Modified": DATE,
            "X-Content-Type-Options": "nosniff",
        }
        self.assertEqual({name: response.headers.get(name) for name in expected}, expected)
        self.assertIn("default-src 'none'", response.headers["Content-Security-Policy"])
        self.assertNotIn("Content-Disposition", response.headers)
        self.assertNotIn("Cache-Control", response.headers)

    def test_named(self) -> None:
        """Name and Cache-Control are those of the result."""
        response = self.get("/named/small")
        self.assertEqual(
            response.headers["Content-Disposition"],
            "attachment; filename=\"caf_\"; filename*=UTF-8''caf%C3%A9",
        )
        self.assertEqual(response.headers["Cache-Control"], "private")

    def test_head(self) -> None:
        """HEAD has the headers of GET, and no body; it ignores ranges."""
        response = self.get("/small", "Range: bytes=0-1", method="HEAD")
        self.assertEqual((response.code, response.body), (200, b""))
        self.assertEqual((response.headers["X-Length"], response.headers["ETag"]), ("1024", TAG))

    def test_one_range(self) -> None:
        """A range is 206, with its place in the file."""
        response = self.get("/small", "Range: bytes=1000-2000")
        self.assertEqual((response.code, response.body), (206, CONTENT[1000:]))
        self.assertEqual(response.headers["Content-Range"], "bytes 1000-1023/1024")
        self.assertEqual(response.headers["ETag"], TAG)

    def test_several_ranges(self) -> None:
        """Several ranges are parts of one body, each with its place; its length is exact."""
        response = self.get("/small", "Range: bytes=0-3,500-503,-2")
        self.assertEqual(response.code, 206)
        boundary = response.headers["Content-Type"].partition("multipart/byteranges; boundary=")[2]
        start, *parts, end = response.body.split(f"--{boundary}".encode())
        self.assertEqual((start, end), (b"", b"--\r\n"))
        for part, (first, last) in zip(parts, ((0, 3), (500, 503), (1022, 1023)), strict=True):
            head, _, body = part.removesuffix(b"\r\n").partition(b"\r\n\r\n")
            self.assertIn(f"Content-Range: bytes {first}-{last}/1024".encode(), head)
            self.assertIn(b"Content-Type: application/octet-stream", head)
            self.assertEqual(body, CONTENT[first : last + 1])

    def test_refused_ranges(self) -> None:
        """Ranges outside of the file, and too many of them, are 416 with the length of the file."""
        many = ",".join(f"{number}-{number}" for number in range(0, 1000, 2))
        for value in ("1024-", "-0", many):
            response = self.get("/small", f"Range: bytes={value}")
            self.assertEqual(response.code, 416, value)
            self.assertEqual(response.headers["Content-Range"], "bytes */1024")
            self.assertEqual(response.headers["Content-Type"], "application/problem+json")

    def test_ignored_ranges(self) -> None:
        """A Range that is none is ignored, and so is one whose If-Range does not match."""
        for headers in (["Range: lines=1-2"], ["Range: bytes=0-1", 'If-Range: "x"'], ["Range: bytes=x"]):
            self.assertEqual(self.get("/small", *headers).code, 200, headers)
        self.assertEqual(self.get("/small", "Range: bytes=0-1", f"If-Range: {TAG}").code, 206)
        self.assertEqual(self.get("/small", "Range: bytes=0-1", f"If-Range: {DATE}").code, 206)

    def test_not_modified(self) -> None:
        """304 has the validators and no body, also for a range."""
        for headers in ([f"If-None-Match: {TAG}"], [f"If-Modified-Since: {DATE}"]):
            response = self.get("/small", "Range: bytes=0-1", *headers)
            self.assertEqual((response.code, response.body), (304, b""))
            self.assertEqual((response.headers["ETag"], response.headers["Last-Modified"]), (TAG, DATE))
            self.assertNotIn("Content-Type", response.headers)

    def test_counted(self) -> None:
        """Metrics count the status that is sent, also of static folders, and each request once."""
        self.get("/small")
        self.get("/small", "Range: bytes=0-1")
        self.get("/small", f"If-None-Match: {TAG}")
        self.get("/small", "Range: bytes=5000-")
        self.get("/small", 'If-Match: "other"')
        self.get("/static/small", "Range: bytes=0-1")
        self.get("/absent")
        snapshot = self.harness.stats.snapshot().all
        self.assertEqual(snapshot.codes, {200: 1, 206: 2, 304: 1, 416: 1, 412: 1, 404: 1})
        self.assertEqual((snapshot.requests, snapshot.errors), (7, 0))

    def test_failed_precondition(self) -> None:
        """412 is a problem."""
        response = self.get("/small", 'If-Match: "x"')
        self.assertEqual((response.code, response.headers["Content-Type"]), (412, "application/problem+json"))

    def test_wrapped(self) -> None:
        """Header fields of the action replace ours; with a cookie the response is not stored."""
        response = self.get("/wrapped")
        expected = {
            "ETag": '"mine"',
            "Content-Security-Policy": "sandbox",
            "X-A": "b",
            "Cache-Control": "no-store",
        }
        self.assertEqual({name: response.headers[name] for name in expected}, expected)
        self.assertEqual(self.client.request("GET", "/wrapped").count(b"ETag"), 1)
        self.assertEqual(self.get("/wrapped", 'If-None-Match: "mine"').code, 304)
        self.assertEqual(self.get("/wrapped", "Range: bytes=0-0", 'If-Range: "mine"').code, 206)

    def test_redirect(self) -> None:
        """A folder without a slash is redirected to that with it; no path becomes another header."""
        folder = self.folder / "sub \u20ac"
        folder.mkdir()
        folder.joinpath("index.html").write_text("index")
        response = self.get("/static/sub%20%E2%82%AC?a=b")
        self.assertEqual((response.code, response.headers["Location"]), (308, "/static/sub%20%E2%82%AC/?a=b"))

    def test_post(self) -> None:
        """The file that a POST answers with is sent whole: its conditions are about something else."""
        response = self.get("/small", "Range: bytes=0-1", "If-None-Match: *", method="POST")
        self.assertEqual((response.code, response.body), (200, CONTENT))

    def test_absent(self) -> None:
        """A file that does not exist is 404; so are paths out of the folder."""
        for path in (
            "/absent",
            "/named/absent",
            "/named/..%2fx",
            "/named/%2fetc%2fpasswd",
            "/named/%00",
            "/named/.",
        ):
            self.assertEqual(self.get(path).code, 404, path)

    def test_not_a_file(self) -> None:
        """A path of the application's that is no file is 500, without details."""
        response = self.get("/wrong")
        self.assertEqual(response.code, 500)
        self.assertNotIn(b"regular", response.body)
        self.assertEqual(len(self.flushLoggedErrors(IsADirectoryError)), 1)

    def test_empty(self) -> None:
        """An empty file has an empty body."""
        self.write("empty", b"")
        response = self.get("/named/empty")
        self.assertEqual((response.code, response.headers["Content-Length"]), (200, "0"))

    def test_credentials(self) -> None:
        """A response to a request with credentials is not stored, unless the action says how."""
        self.assertEqual(self.get("/small", "Authorization: Basic x").headers["Cache-Control"], "no-store")
        self.assertEqual(
            self.get("/named/small", "Authorization: Basic x").headers["Cache-Control"], "private"
        )

    def test_static(self) -> None:
        """A static folder has the same answers, its own policy, and 404 as a problem."""
        self.write("page.html", b"<p>")
        response = self.get("/static/page.html", "Range: bytes=1-1")
        self.assertEqual((response.code, response.body), (206, b"p"))
        self.assertEqual(response.headers["Cache-Control"], "no-cache")
        self.assertIn("default-src 'self'", response.headers["Content-Security-Policy"])
        response = self.get("/static/absent.html")
        self.assertEqual((response.code, response.headers["Content-Type"]), (404, "application/problem+json"))
        response = self.get("/static/page.html", method="POST")
        self.assertEqual((response.code, response.headers["Allow"]), (405, "GET, HEAD, OPTIONS"))
        self.assertEqual(self.get("/static/page.html", method="OPTIONS").code, 204)
        self.assertEqual(self.get("/static/page.html", method="HEAD").headers["X-Length"], "3")

    def test_injection(self) -> None:
        """No name of a file in a static folder gets into a header."""
        self.write("a\r\nX-Evil: 1.txt", b"x")
        response = self.get("/static/a%0D%0AX-Evil:%201.txt")
        self.assertEqual(response.code, 200)
        self.assertNotIn("X-Evil", response.headers)

    def test_pipelined(self) -> None:
        """Files of several requests that arrive at once are sent in their order."""
        request = b"GET /small HTTP/1.1\r\nHost: localhost\r\nRange: bytes=%d-%d\r\n\r\n"
        self.client.channel.dataReceived(b"".join(request % (each, each) for each in range(70)))
        self.harness.clock.pump([0] * 10)
        self.assertEqual(self.client.received().count(b"HTTP/1.1 206"), 70)
