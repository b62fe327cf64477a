"""What the orchestrator does with events."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
from twisted.logger import ILogObserver
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.unit.telemetry.access.test_entry import PLAIN
from tests.unit.telemetry.test_logs import event
from unixsvc.telemetry.log_ring import LogRing
from unixsvc.telemetry.log_sink import LogSink
from unixsvc.telemetry.log_writer import LogWriter

LINE = msgspec.json.encode(PLAIN) + b"\n"


class Output:
    """Has what was written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        """Keep it."""
        self.data += data

    def reopen(self) -> None:
        """Do nothing."""


class SinkTests(SynchronousTestCase):
    """The log and the ring."""

    def sink(self, form: str = "json", size: int = 10_000) -> tuple[LogSink, Callable[[], bytes]]:
        """A sink, and a function that returns what is in its log."""
        output = Output()
        writer = LogWriter(output, lambda number, reason: b"lost\n")

        def written() -> bytes:
            writer.write_queued()
            return output.data

        sink = LogSink(form, writer, LogRing(size) if size else None)
        verifyObject(ILogObserver, sink)
        return sink, written

    def test_event(self) -> None:
        """An event is in the log in its format, and in the ring as JSON."""
        for form in ("json", "text"):
            sink, written = self.sink(form)
            sink(event("it works"))
            self.assertIn(b"it works", written())
            assert sink.ring is not None
            self.assertEqual(json.loads(sink.ring.read(0).lines)["message"], "it works")
            self.assertEqual(written().startswith(b"{"), form == "json")

    def test_entries(self) -> None:
        """Entries are lines of the log under the name of the worker, and as many events of the ring."""
        for form in ("json", "text"):
            sink, written = self.sink(form)
            self.assertTrue(sink.add_entries(LINE * 3, 0, "shop", 2))
            self.assertEqual(written().count(b"shop[2]"), 3)
            assert sink.ring is not None
            part = sink.ring.read(0)
            self.assertEqual((part.lines.count(b"\n"), part.following), (3, 3))

    def test_no_ring(self) -> None:
        """Without a ring, the log has them."""
        sink, written = self.sink("text", 0)
        sink(event("it works"))
        sink.add_entries(LINE, 0, "shop", 2)
        self.assertEqual(written().count(b"\n"), 2)

    def test_lost(self) -> None:
        """Entries that are missing are counted in an event of the worker."""
        sink, written = self.sink()
        self.assertTrue(sink.add_entries(b"", 1_234, "shop", 2))
        found = json.loads(written())
        self.assertEqual((found["namespace"], found["level"]), ("shop[2]", "warn"))
        self.assertIn("1,234 events are missing here", found["message"])

    def test_foreign(self) -> None:
        """What an application has written there is not in the log."""
        sink, written = self.sink()
        self.assertFalse(sink.add_entries(b'{"namespace":"orchestrator"}\n', 0, "shop", 2))
        self.assertEqual(written(), b"")
