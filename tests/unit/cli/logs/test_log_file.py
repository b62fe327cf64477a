"""Events from the log file."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.cli.logs import log_file
from unixsvc.cli.logs.log_file import older_events
from unixsvc.telemetry.log_query import LogQuery
from unixsvc.telemetry.log_record import FORMATS, LogRecord

START = 1_700_000_000.0
RECORDS = [
    LogRecord(START + number, "info", f"shop[{1 + number % 2}]", f"event {number}", f"r{number}", logger="db")
    for number in range(200)
]


class OlderTests(SynchronousTestCase):
    """What is older than the ring."""

    def file(self, form: str, records: list[LogRecord]) -> Path:
        """A log file."""
        path = Path(self.mktemp())
        path.write_bytes(b"".join(map(FORMATS[form], records)))
        return path

    def test_before(self) -> None:
        """The events before the first one of the ring are found, in both formats and their order."""
        self.patch(log_file, "_BLOCK", 300)  # so that lines lie in two blocks
        for form in FORMATS:
            if form not in ("json", "text"):
                continue
            found = older_events(self.file(form, RECORDS), LogQuery(since=START + 10), RECORDS[150])
            self.assertEqual([each.message for each in found], [f"event {n}" for n in range(10, 150)])
            self.assertEqual(found, RECORDS[10:150])

    def test_filter(self) -> None:
        """Only wanted ones are returned; without a first one, all of these."""
        query = LogQuery(service="shop", request_id="r7", since=START)
        self.assertEqual(older_events(self.file("text", RECORDS), query, None), [RECORDS[7]])
        self.assertEqual(older_events(self.file("text", RECORDS), LogQuery("x", since=START), None), [])

    def test_traceback(self) -> None:
        """The further lines of an event belong to it; lines that are no events are left out."""
        failed = LogRecord(START, "error", "shop[1]", "GET /x failed", "r1", "Traceback\n  ValueError: no")
        path = self.file("text", [*RECORDS[:1], failed, RECORDS[5]])
        path.write_bytes(b"torn line\n" + path.read_bytes() + b'{"broken": \n')
        first, second, third = older_events(path, LogQuery(since=START), None)
        self.assertEqual((first, third), (RECORDS[0], RECORDS[5]))
        self.assertEqual(second.message, "GET /x failed\nTraceback\n  ValueError: no")
        self.assertEqual(older_events(path, LogQuery(since=START), failed), RECORDS[:1])

    def test_not_in_file(self) -> None:
        """If the file does not have the first one of the ring, the events from long before it are shown."""
        first = LogRecord(START + 150, "info", "other", "unknown")
        found = older_events(self.file("json", RECORDS), LogQuery(since=START), first)
        self.assertEqual(found, RECORDS[:91])
