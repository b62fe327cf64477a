"""The files of the page, and its stream."""

from __future__ import annotations

import gzip
import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from tests.unit.dashboard.page_requests import PageTestCase, figures
from unixsvc.dashboard import files
from unixsvc.dashboard.ended import RecentCalls
from unixsvc.dashboard.files import FILES
from unixsvc.dashboard.pages import MAX_STREAMS

_STATIC = Path(files.__file__).with_name("static")


def _events(sent: bytes) -> list[Any]:
    """The snapshots of a stream; a chunk may end within one."""
    body = sent.partition(b"\r\n\r\n")[2]
    text = re.sub(rb"(?:^|\r\n)[0-9a-f]+\r\n", b"", body).decode()
    return [json.loads(found) for found in re.findall(r"event: snapshot\ndata: (.*)", text)]


class FileTests(PageTestCase):
    """The files."""

    def test_policy(self) -> None:
        """Each response forbids inline scripts, other hosts, frames, and guesses about its type."""
        for path in (*FILES, "/snapshot", "/no-such-file"):
            headers = self.request("GET", path).headers
            policy = headers["content-security-policy"]
            self.assertIn("default-src 'none'; script-src 'self'; style-src 'self';", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(headers["x-content-type-options"], "nosniff")

    def test_nothing_inline(self) -> None:
        """The page has no inline script or style, and names no other host; nor do its modules."""
        page = (_STATIC / "index.html").read_text()
        self.assertNotRegex(page, r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son[a-z]+=")
        for path in (*_STATIC.glob("*.js"), *_STATIC.glob("*.css"), _STATIC / "index.html"):
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            self.assertNotRegex(text, r"https?://|innerHTML|eval\(|document\.write", path.name)

    def test_every_file(self) -> None:
        """All files that the page and its modules load exist, and none is there that nothing loads."""
        loaded = {name for name, _ in FILES.values()}
        there = {str(path.relative_to(_STATIC)) for path in _STATIC.rglob("*") if path.is_file()}
        self.assertEqual(there - loaded, {"uplot/LICENSE", "uplot/README.md"})
        self.assertEqual(loaded - there, set())
        for path in _STATIC.glob("*.js"):
            for name in re.findall(r'from "\.(/[a-z]+\.js)"', path.read_text()):
                self.assertIn(name, FILES, path.name)

    def test_vendored(self) -> None:
        """The files of uPlot are those whose digests are listed."""
        listed = re.findall(r"([0-9a-f]{64})  (\S+)", (_STATIC / "uplot/README.md").read_text())
        self.assertEqual(len(listed), 3)
        for digest, name in listed:
            self.assertEqual(sha256((_STATIC / "uplot" / name).read_bytes()).hexdigest(), digest, name)

    def test_compressed(self) -> None:
        """A file is compressed for browsers, and not sent again to one that has it."""
        reply = self.request("GET", "/uplot.js", headers={"Accept-Encoding": "gzip, br"})
        self.assertEqual(reply.headers["content-encoding"], "gzip")
        self.assertEqual(gzip.decompress(reply.body), self.request("GET", "/uplot.js").body)
        again = self.request("GET", "/uplot.js", headers={"If-None-Match": reply.headers["etag"]})
        self.assertEqual((again.code, again.body), (304, b""))

    def test_other_paths(self) -> None:
        """Other paths are 404, and other methods 405."""
        for path in "/../pages.py", "/uplot/uPlot.esm.js", "/static/app.js", "//", "/app.js/":
            self.assertEqual(self.request("GET", path).code, 404, path)
        reply = self.request("DELETE", "/app.js", headers={"Origin": "http://localhost:8090"})
        self.assertEqual(reply.code, 405)
        self.assertEqual(self.request("HEAD", "/").body, b"")


class EndedTests(PageTestCase):
    """The slowest and the failed calls."""

    def test_asked_when_wanted(self) -> None:
        """Workers are asked when a page wants to know, and then once for several pages."""
        self.send("GET", "/stream")
        self.clock.advance(10)
        self.assertEqual(self.orchestrator.done, [])
        for _ in range(2):
            found = self.request("GET", "/requests/slowest?service=home").json()
            self.assertEqual((found["requests"][0]["id"], found["requests"][0]["seconds"]), ("7f", 2.5))
            self.assertGreater(found["time"], found["requests"][0]["ended"])
        self.request("GET", "/requests/failed")
        self.assertEqual(self.orchestrator.done, [("slowest", "home"), ("failed", "")])

    def test_not_too_old(self) -> None:
        """An answer is shared for two seconds, unless the clock was set back."""
        now = 1000.0
        inspector: Any = self.orchestrator  # it has what is used
        recent = RecentCalls(inspector, lambda: now)
        for now, asked in (1000.0, 1), (1001.9, 1), (1002.0, 2), (900.0, 3):
            found = self.successResultOf(Deferred.fromCoroutine(recent.find("failed")))
            self.assertEqual(len(self.orchestrator.done), asked)
            self.assertLess(abs(found.time - now), 2.0)


class StreamTests(PageTestCase):
    """The stream."""

    def test_nothing_is_asked_without_a_page(self) -> None:
        """Figures are requested only while a page is open: once a second, however many pages there are."""
        self.clock.advance(10)
        self.assertEqual(self.orchestrator.asked, 0)
        first = self.send("GET", "/stream")
        connection = self.protocol
        second = self.send("GET", "/stream")
        for _ in range(30):
            self.clock.advance(0.1)
        self.assertEqual(self.orchestrator.asked, 3)
        self.assertEqual([len(_events(each.value())) for each in (first, second)], [3, 3])
        for each in connection, self.protocol:
            each.connectionLost(Failure(ConnectionDone()))
        self.clock.advance(10)
        self.assertEqual((self.orchestrator.asked, self.feed.count), (3, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_snapshots(self) -> None:
        """The first snapshot has what was counted, the next ones have rates; the stream is not cached."""
        transport = self.send("GET", "/stream")
        self.clock.advance(0)
        self.orchestrator.figures_now = {"home": figures({200: 18, 500: 2})}
        self.clock.advance(1)
        head = transport.value().partition(b"\r\n\r\n")[0].lower()
        self.assertIn(b"content-type: text/event-stream", head)
        self.assertIn(b"cache-control: no-cache", head)
        totals = [each["services"]["home"]["total"] for each in _events(transport.value())]
        self.assertEqual([(each["requests"], each["rate"], each["error_rate"]) for each in totals],
                         [(10, None, None), (20, 10.0, 1.0)])  # fmt: skip

    def test_late_page(self) -> None:
        """A further page has the latest snapshot at once."""
        self.send("GET", "/stream")
        self.clock.advance(0)
        self.assertEqual(len(_events(self.send("GET", "/stream").value())), 1)
        self.assertEqual(self.orchestrator.asked, 1)

    def test_events(self) -> None:
        """An event is on the page at once, and the next snapshot follows soon."""
        self.orchestrator.events.record("worker.started", "home", pid=7)
        transport = self.send("GET", "/stream")
        self.clock.advance(0)
        self.orchestrator.events.record("worker.died", "home", pid=7, reason="was killed by signal 9")
        self.assertRegex(transport.value().decode(), r"event: happened\ndata: {[^\n]*killed by signal 9")
        self.clock.advance(0.05)
        self.assertEqual(len(_events(transport.value())), 2)
        listed = self.request("GET", "/events").json()
        self.assertEqual([each["kind"] for each in listed], ["worker.started", "worker.died"])
        self.pages.close()
        self.orchestrator.events.record("worker.ready", "home", pid=8)
        self.assertEqual((self.orchestrator.asked, self.orchestrator.events.observers), (2, []))

    def test_slow_browser(self) -> None:
        """A browser that reads slowly misses snapshots; one that reads nothing for long is disconnected."""
        transport = self.send("GET", "/stream")
        self.clock.advance(0)
        assert transport.producer is not None
        transport.producer.pauseProducing()
        self.clock.advance(1)
        self.clock.advance(1)
        self.assertEqual(len(_events(transport.value())), 1)
        transport.producer.resumeProducing()
        self.clock.advance(1)
        self.assertEqual(len(_events(transport.value())), 2)
        transport.producer.pauseProducing()
        self.clock.advance(31)
        self.assertTrue(transport.disconnecting)

    def test_too_many(self) -> None:
        """There is a limit for open pages."""
        for _ in range(MAX_STREAMS):
            self.send("GET", "/stream")
        self.assertEqual(self.request("GET", "/stream").code, 503)
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def test_close(self) -> None:
        """When the page is switched off, its streams end."""
        transport = self.send("GET", "/stream")
        self.clock.advance(0)
        self.pages.close()
        self.assertTrue(transport.value().endswith(b"0\r\n\r\n"))
        self.assertEqual(self.feed.count, 0)
