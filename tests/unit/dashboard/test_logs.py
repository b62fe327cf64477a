"""The log that a page follows."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from tests.unit.dashboard.page_requests import TOKEN, PageTestCase
from unixsvc.dashboard.pages import MAX_LOGS
from unixsvc.security.access import AcceptedToken, digest_of
from unixsvc.telemetry.log_query import LogQuery
from unixsvc.telemetry.log_record import LogRecord

_LIMITED = "b" * 64


def batches(transport: StringTransport) -> list[Any]:
    """The batches of a stream; a chunk may end within one."""
    body = transport.value().partition(b"\r\n\r\n")[2]
    text = re.sub(rb"(?:^|\r\n)[0-9a-f]+\r\n", b"", body).decode()
    return [json.loads(found) for found in re.findall(r"event: log\ndata: (.*)", text)]


class LogTests(PageTestCase):
    """Pages that follow the log."""

    def happen(self, text: str, request_id: str = "7f", level: str = "info", service: str = "home") -> None:
        """Add an event, and let some time pass."""
        line = msgspec.json.encode(LogRecord(1.0, level, service, text, request_id)) + b"\n"
        self.orchestrator.ring.add(line)
        self.clock.advance(0.2)

    def follow(self, query: str = "") -> StringTransport:
        """Follow the log in a new session."""
        self.session = self.log_in()
        transport = self.send("GET", f"/logs{query}", headers=self.session)
        self.clock.advance(0)
        return transport

    def texts(self, transport: StringTransport) -> list[str]:
        """The messages."""
        return [each["message"] for batch in batches(transport) for each in batch["events"]]

    def due(self) -> list[object]:
        """What is to happen soon; connections that are kept end after a minute."""
        soon = self.clock.seconds() + 20
        return [each for each in self.clock.getDelayedCalls() if each.getTime() < soon]

    def test_follow(self) -> None:
        """The last events come at once, then those that happen: of a service, a level and a request."""
        for number in range(250):
            self.happen(f"early {number}")
        transport = self.follow("?request=7f&level=warn&service=home&x=y")
        self.assertEqual(batches(transport), [{"events": []}])
        self.assertIn(b"content-type: text/event-stream", transport.value().lower())
        self.happen("wanted", level="error")
        self.happen("another level")
        self.happen("another request", "8f", "error")
        self.happen("another service", service="shop", level="error")
        self.assertEqual(self.texts(transport), ["wanted"])
        query = LogQuery("home", "7f", "warn", last=200, follow=True)
        self.assertEqual(self.orchestrator.done, [("logs", query)])
        self.assertEqual(self.texts(self.follow())[0], "early 54")

    def test_for_operators(self) -> None:
        """The log is for operators whose tokens are for it, and needs the secret of their session too."""
        session = self.log_in()
        for headers in {}, {"Cookie": session["Cookie"]}:
            self.assertIn(self.request("GET", "/logs", headers=headers).code, (401, 403))
        routes = ("GET /status",)
        self.named.append(AcceptedToken("limited", digest_of(_LIMITED), ("orchestrator",), routes=routes))
        self.assertEqual(self.request("GET", "/logs", headers=self.log_in(_LIMITED)).code, 403)
        self.assertEqual(self.orchestrator.done, [])

    def test_session_ends(self) -> None:
        """Nothing is sent after the log-out, nor after the token was revoked."""
        transport = self.follow()
        self.request("DELETE", "/session", headers=self.session)
        self.assertTrue(transport.value().endswith(b"0\r\n\r\n"))
        transport = self.follow()
        self.named.clear()
        self.happen("secret")
        self.assertTrue(transport.value().endswith(b"0\r\n\r\n"))
        self.assertNotIn(b"secret", transport.value())
        self.named.append(AcceptedToken("oncall", digest_of(TOKEN), ("orchestrator",)))
        transport = self.follow()
        self.named.clear()
        self.clock.advance(15)
        self.assertTrue(transport.value().endswith(b"0\r\n\r\n"))
        self.assertEqual(self.due(), [])

    def test_gone(self) -> None:
        """When the browser has gone, or the page is switched off, nothing is left that reads the log."""
        self.follow()
        self.protocol.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.due(), [])
        transport = self.follow()
        self.pages.close()
        self.assertTrue(transport.value().endswith(b"0\r\n\r\n"))
        self.assertEqual(self.due(), [])

    def test_orchestrator_stops(self) -> None:
        """With the log, the response ends."""
        transport = self.follow()
        self.orchestrator.ring.closed = True
        self.clock.advance(0.2)
        self.assertTrue(transport.value().endswith(b"0\r\n\r\n"))
        self.assertEqual(self.due(), [])

    def test_slow_browser(self) -> None:
        """One that reads slowly gets nothing meanwhile, and learns how many events it has missed."""
        transport = self.follow()
        assert transport.producer is not None
        transport.producer.pauseProducing()
        self.happen("one")  # was on its way
        for number in range(2000):
            self.orchestrator.ring.add(
                b'{"time":1,"level":"info","namespace":"home","message":"%d"}\n' % number
            )
        self.clock.advance(1)
        self.assertEqual(self.texts(transport), ["one"])
        transport.producer.resumeProducing()
        for _ in range(20):
            self.clock.advance(0.1)
        missed = sum(batch.get("missed", 0) for batch in batches(transport))
        self.assertGreater(missed, 100)
        self.assertEqual(len(self.texts(transport)), 2001 - missed)
        transport.producer.pauseProducing()
        self.clock.advance(31)
        self.assertTrue(transport.disconnecting)

    def test_quiet(self) -> None:
        """A quiet connection is kept alive; a request with HEAD has no body."""
        transport = self.follow()
        before = len(transport.value())
        self.clock.advance(15)
        self.assertIn(b"\n:\n\n", transport.value()[before:])
        self.assertEqual(self.request("HEAD", "/logs", headers=self.session).body, b"")
        self.assertEqual(self.request("HEAD", "/stream").body, b"")

    def test_too_many(self) -> None:
        """There is a limit for pages that follow; one that ends makes room."""
        for _ in range(MAX_LOGS):
            self.follow()
        self.assertEqual(self.request("GET", "/logs", headers=self.session).code, 503)
        self.pages.close()
        self.assertEqual(batches(self.follow()), [{"events": []}])
