"""From entries of the access log to lines."""

from __future__ import annotations

import json

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.access.entry import Entry, EntryFormat, fields_of, read_entries
from unixsvc.telemetry.log_record import FORMATS, LogRecord

PLAIN = Entry(
    1_700_000_000_250_000_000, "r1", "GET", "/show/7", "GET /show/{id:int}", 200, 1234, 1, None, None
)


class FormatTests(SynchronousTestCase):
    """The lines of entries."""

    def setUp(self) -> None:
        """Make a format."""
        self.format = EntryFormat("shop", 2)

    def test_json(self) -> None:
        """A line has the name of the worker, the id and all fields; those of other events look the same."""
        for entry in (
            PLAIN,
            msgspec.structs.replace(PLAIN, caller="token:ci", address="192.0.2.1", code=500, micros=5),
            msgspec.structs.replace(PLAIN, route=None, caller="uid:7"),
        ):
            line = self.format.as_json([entry])
            self.assertEqual(json.loads(line), json.loads(FORMATS["json"](self.format.record(entry))))
        event = msgspec.json.decode(self.format.as_json([PLAIN]), type=LogRecord)
        self.assertEqual((event.time, event.namespace, event.request_id), (1_700_000_000.25, "shop[2]", "r1"))
        self.assertEqual(event.fields, fields_of(PLAIN, "shop", 2))
        self.assertEqual((event.fields["worker"], event.fields["ms"]), (2, 1.234))

    def test_hostile(self) -> None:
        """No text of a client can end a line, a string, or look like another event."""
        for text in ('"', "\\", "\n", "\x1b[2J", "\u202e", "\udcff", '","code":1,"x":"', "é", "\x7f"):
            for name in ("request_id", "method", "path", "caller", "address"):
                entry = msgspec.structs.replace(PLAIN, **{name: f"a{text}b"})
                lines = self.format.as_json([PLAIN, entry, PLAIN])
                self.assertEqual(lines.count(b"\n"), 3)
                shown = [json.loads(line) for line in lines.splitlines()]
                self.assertEqual([each["fields"]["code"] for each in shown], [200] * 3)
                self.assertNotRegex(lines.decode(), "[\x1b\u202e\x7f]")
                self.assertEqual(shown[0], shown[2])
                _, *further = self.format.in_format([entry], FORMATS["text"]).rstrip(b"\n").split(b"\n")
                self.assertTrue(all(line.startswith(b"    ") for line in further))

    def test_text(self) -> None:
        """The text format has the same."""
        line = self.format.in_format([PLAIN], FORMATS["text"]).decode()
        self.assertRegex(line, r"\A\S+ info shop\[2\] unixsvc\.access \[r1\]: request service=shop worker=2 ")
        self.assertIn('route="GET /show/{id:int}" code=200 ms=1.234 bytes=1 caller=null\n', line)

    def test_read(self) -> None:
        """Entries are read as they were written; what is none is none, whatever an application has noted."""
        line = msgspec.json.encode(PLAIN) + b"\n"
        self.assertEqual(read_entries(line * 2), [PLAIN, PLAIN])
        for wrong in (b"{}\n", b"[1]\n", line[:-5], line + b"x\n", b"\xff\n", line.replace(b"1234", b"-1")):
            self.assertIsNone(read_entries(wrong))
        early = msgspec.json.encode(msgspec.structs.replace(PLAIN, time=2**63)) + b"\n"
        self.assertIsNone(read_entries(early))
