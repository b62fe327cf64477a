"""The HTTP side of the metrics."""

from __future__ import annotations

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.orchestrator.exporter.web import (
    MAX_CONNECTIONS,
    MAX_SCRAPES,
    Access,
    MetricsResource,
    make_site,
    prefers_open_metrics,
)
from unixsvc.security.hosts import HostRules

LOOPBACK = IPv4Address("TCP", "127.0.0.1", 9464)
TOKEN = b"secret"
# What Prometheus 2.42 sends.
ACCEPT = (
    b"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    b"text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


class WebTests(SynchronousTestCase):
    """Connections in memory."""

    def setUp(self) -> None:
        """Make a site."""
        self.scrapes: list[Deferred[bytes]] = []
        self.wait = False
        self.resource = MetricsResource(self.scrape, Access(HostRules([])))
        self.site = make_site(self.resource, Clock())
        self.site.doStart()
        self.addCleanup(self.site.doStop)

    def scrape(self, open_metrics: bool) -> Deferred[bytes]:
        """Answer a scrape, at once or later."""
        done: Deferred[bytes] = Deferred()
        self.scrapes.append(done)
        if not self.wait:
            done.callback(b"open" if open_metrics else b"plain")
        return done

    def connect(self) -> tuple[IProtocol, StringTransport]:
        """Open a connection."""
        protocol = self.site.buildProtocol(LOOPBACK)
        transport = StringTransport(LOOPBACK, LOOPBACK)
        assert protocol is not None
        protocol.makeConnection(transport)
        return protocol, transport

    def ask(
        self, *fields: bytes, method: bytes = b"GET", path: bytes = b"/metrics"
    ) -> tuple[int, str, bytes]:
        """Send a request; the code, the head and the body of the response."""
        protocol, transport = self.connect()
        host = () if any(each.lower().startswith(b"host:") for each in fields) else (b"Host: localhost:9464",)
        protocol.dataReceived(b"\r\n".join([method + b" " + path + b" HTTP/1.1", *host, *fields, b"", b""]))
        head, _, body = transport.value().partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, head.decode(), body

    def test_formats(self) -> None:
        """The format is the one that the client prefers, and its media type says so."""
        code, head, body = self.ask()
        self.assertEqual((code, body), (200, b"plain"))
        self.assertIn("Content-Type: text/plain; version=0.0.4; charset=utf-8", head)
        code, head, body = self.ask(b"Accept: " + ACCEPT)
        self.assertEqual((code, body), (200, b"open"))
        self.assertIn("Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8", head)

    def test_preference(self) -> None:
        """Qualities decide, and the old format is the default."""
        wanted = [
            ACCEPT,
            b"application/openmetrics-text",
            b"text/plain;q=0.5, application/openmetrics-text;q=0.5",
        ]
        other = [b"", b"*/*", b"text/plain", b"text/plain, application/openmetrics-text;q=0.9"]
        other.append(b"application/openmetrics-text;q=0")
        self.assertEqual([prefers_open_metrics(each) for each in wanted], [True] * 3)
        self.assertEqual([prefers_open_metrics(each) for each in other], [False] * 5)

    def test_head(self) -> None:
        """HEAD has the length, and no body."""
        code, head, body = self.ask(method=b"HEAD")
        self.assertEqual((code, body), (200, b""))
        self.assertIn("Content-Length: 5", head)

    def test_refused(self) -> None:
        """Other paths are 404, other methods 405; a query is ignored, and the server is not named."""
        self.assertEqual(self.ask(path=b"/")[0], 404)
        code, head, _ = self.ask(b"Content-Length: 0", method=b"POST")
        self.assertEqual(code, 405)
        self.assertIn("Allow: GET, HEAD", head)
        code, head, _ = self.ask(path=b"/metrics?name=x")
        self.assertEqual(code, 200)
        self.assertNotIn("Twisted", head)

    def test_hosts(self) -> None:
        """On a loopback address only its names are allowed, against DNS rebinding; or listed ones."""
        self.assertEqual(self.ask(b"Host: evil.example:9464")[0], 421)
        self.assertEqual(self.ask(b"Host: 127.0.0.1:9464")[0], 200)
        self.resource.access = Access(HostRules(["metrics.example"]))
        self.assertEqual(self.ask(b"Host: metrics.example")[0], 200)
        self.assertEqual(self.ask(b"Host: localhost")[0], 421)

    def test_token(self) -> None:
        """With a token only clients that present it get metrics."""
        self.resource.access = Access(HostRules([]), TOKEN)
        self.assertNotIn("secret", repr(self.resource.access))
        for wrong in b"X: y", b"Authorization: Bearer wrong", b"Authorization: Basic secret":
            code, head, _ = self.ask(wrong)
            self.assertEqual(code, 401)
            self.assertIn("WWW-Authenticate: Bearer", head.replace("Www-", "WWW-"))
        self.assertEqual(self.ask(b"Authorization: Bearer secret")[0], 200)

    def test_many_scrapes(self) -> None:
        """Further scrapes than some at the same time are 503, until one has ended, whether well or not."""
        self.wait = True
        for _ in range(MAX_SCRAPES):
            self.assertEqual(self.ask()[0], 0)
        self.assertEqual(self.ask()[0], 503)
        self.scrapes[0].callback(b"")
        self.scrapes[1].errback(RuntimeError("no"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual([self.ask()[0] for _ in range(3)], [0, 0, 503])

    def test_failure(self) -> None:
        """A scrape that fails is 500, without its reason; the log has it."""
        self.wait = True
        protocol, transport = self.connect()
        protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.scrapes[0].errback(RuntimeError("no"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertIn(b" 500 ", transport.value())
        self.assertNotIn(b"RuntimeError", transport.value())

    def test_client_gone(self) -> None:
        """A client that has gone before its response causes no error."""
        self.wait = True
        for fails in False, True:
            protocol, _ = self.connect()
            protocol.dataReceived(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            protocol.connectionLost(Failure(ConnectionDone()))
            if fails:
                self.scrapes[-1].errback(RuntimeError("no"))
            else:
                self.scrapes[-1].callback(b"text")
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_body(self) -> None:
        """The body of a request is dropped, whatever its length."""
        protocol, transport = self.connect()
        protocol.dataReceived(b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n")
        for _ in range(100):
            protocol.dataReceived(b"x" * 10_000)
        self.assertIn(b" 405 ", transport.value())

    def test_connections(self) -> None:
        """Further connections than some are closed, until one has ended."""
        opened = [self.connect() for _ in range(MAX_CONNECTIONS)]
        self.assertIsNone(self.site.buildProtocol(LOOPBACK))
        opened[0][0].connectionLost(Failure(ConnectionDone()))
        self.connect()
        self.assertIsNone(self.site.buildProtocol(LOOPBACK))
