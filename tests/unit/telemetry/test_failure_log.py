"""The log of failed requests."""

from __future__ import annotations

import io

from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.telemetry.test_logs import failing
from unixsvc.client.errors import ServiceUnreachable
from unixsvc.domain.interfaces import IFailureLog
from unixsvc.domain.message import Caller, Peer, Request
from unixsvc.telemetry.failure_log import FailureLog
from unixsvc.telemetry.logs import LogObserver


class AbortedTests(SynchronousTestCase):
    def test_aborted(self) -> None:
        """A cancelled action, or one that exceeded its deadline, is logged with its id at the level info."""
        for code, words in ((499, "GET /slow was cancelled"), (504, "GET /slow exceeded its deadline")):
            with capturedLogs() as events:
                FailureLog("shop").aborted(Request("GET", "/slow", meta={"request_id": "abc"}), code)
            [found] = events
            self.assertEqual(formatEvent(found), words)
            self.assertEqual((found["request_id"], found["log_namespace"]), ("abc", "shop"))
            self.assertEqual(found["log_level"], LogLevel.info)

    def test_limited(self) -> None:
        """A caller with short deadlines does not fill the log, and does not hide deadlines of the service."""
        log = FailureLog("shop")
        with capturedLogs() as events:
            for _ in range(3_000):
                log.aborted(Request("GET", "/slow", timeout=1e-6), 504)
            log.aborted(Request("GET", "/stuck"), 504)
        texts = [formatEvent(event) for event in events]
        self.assertEqual(
            texts, ["GET /slow exceeded its deadline"] * 20 + ["GET /stuck exceeded its deadline"]
        )


class InternalTests(SynchronousTestCase):
    def test_details(self) -> None:
        """The details of an error that its caller does not get are a warning, with the id of the request."""
        error = ServiceUnreachable("/run/x", "the socket does not exist", "see: unixsvc ls")
        with capturedLogs() as events:
            FailureLog("shop").internal(Request("GET", "/{x}", meta={"request_id": "abc"}), error)
        [found] = events
        words = "GET /{x} failed: 503 Service unavailable: /run/x: the socket does not exist; see: unixsvc ls"
        self.assertEqual((formatEvent(found), found["log_level"]), (words, LogLevel.warn))
        self.assertEqual(found["request_id"], "abc")


class WrongTokenTests(SynchronousTestCase):
    """Wrong tokens in the log."""

    def test_sender(self) -> None:
        """A wrong token is a warning with the process that has sent it, and never the token."""
        with capturedLogs() as events:
            FailureLog("shop").wrong_token(
                Request("GET", "/", auth_token="secret", caller=Caller(Peer(1001, 100, 4711)))
            )
            FailureLog("shop").wrong_token(Request("GET", "/", meta={"request_id": "abc"}))
            FailureLog("shop").wrong_token(Request("GET", "/", meta={"client_address": "203.0.113.9"}))
        texts = [formatEvent(event) for event in events]
        self.assertEqual(
            texts,
            [
                "a wrong token from user 1001 (process 4711)",
                "a wrong token over HTTP",
                "a wrong token over HTTP from 203.0.113.9",
            ],
        )
        self.assertEqual([event["log_level"] for event in events], [LogLevel.warn] * 3)
        self.assertEqual(events[1]["request_id"], "abc")
        self.assertNotIn("secret", repr(events))

    def test_limited(self) -> None:
        """A client that tries many tokens does not fill the log."""
        log = FailureLog("shop")
        with capturedLogs() as events:
            for _ in range(3_000):
                log.wrong_token(Request("GET", "/"))
        self.assertEqual(len(events), 20)


class FailureLogTests(SynchronousTestCase):
    """The log of details that peers must not see."""

    def test_interface(self) -> None:
        """It provides IFailureLog."""
        verifyObject(IFailureLog, FailureLog("shop"))

    def test_failed(self) -> None:
        """A failed request is logged with the service, the request and the traceback."""
        found = failing(self)
        self.assertEqual((found["request_id"], found["log_namespace"]), ("abc", "shop"))
        self.assertEqual((found["method"], found["path"]), ("GET", "/broken"))
        self.assertEqual(found["log_level"], LogLevel.error)
        self.assertEqual(found["log_failure"].getErrorMessage(), "the disk is full")

    def test_token(self) -> None:
        """The token of the caller is not logged."""
        failed = failing(self)
        for form in "text", "json":
            file = io.BytesIO()
            LogObserver(form, file.write)(failed)
            self.assertIn("/broken", file.getvalue().decode())
            self.assertNotIn("secret", file.getvalue().decode())
