"""The lines of the log."""

from __future__ import annotations

import json
import sys
import unicodedata

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.log_record import FORMATS, LogRecord, lost_events

_SPOOFING = {
    "\x1b[2J": r"\x1b[2J",
    "\r": r"\r",
    "\x7f": r"\x7f",
    "\x85": r"\x85",
    "\x9b": r"\x9b",
    "\u202e": r"\u202e",
    "\u2028": r"\u2028",
    "\u2029": r"\u2029",
    "\u200b": r"\u200b",
    "\ufeff": r"\ufeff",
    "\U000e0041": r"\U000e0041",
}


class LogRecordTests(SynchronousTestCase):
    def line(self, form: str, message: str) -> str:
        """The line of an event with this text in each of its fields."""
        return FORMATS[form](LogRecord(1.0, "info", "shop", message, message, message)).decode()

    def test_escaped(self) -> None:
        """Characters that could hide text or begin a line are escaped in the text format."""
        for char, escaped in _SPOOFING.items():
            line = self.line("text", f"a{char}b")
            self.assertEqual(line.count(f"a{escaped}b"), 3, line)
            self.assertNotIn(char, line)

    def test_escaped_json(self) -> None:
        """They are escaped in the JSON format too, and are still the same characters."""
        for char in _SPOOFING:
            line = self.line("json", f"a{char}b")
            self.assertNotIn(char, line)
            self.assertEqual(json.loads(line)["message"], f"a{char}b")

    def test_all_characters(self) -> None:
        """No control, format character or separator is written as it is."""
        everything = map(chr, range(sys.maxunicode + 1))
        unsafe = {char for char in everything if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")}
        self.assertGreater(len(unsafe), 200)
        for form in FORMATS:
            self.assertLessEqual(unsafe & set(self.line(form, "".join(unsafe))), {"\n", "\t"}, form)

    def test_readable(self) -> None:
        """Letters, spaces and signs of any alphabet are written as they are."""
        for text in ("→ 1 €", "Ünïcödé", "日本語\u3000東京", "tab\there", "🙂", "a\u00a0b"):
            self.assertEqual(self.line("text", text).count(text), 3)
            self.assertEqual(json.loads(self.line("json", text))["message"], text)

    def test_logger(self) -> None:
        """The text format names the logger of a worker's event, unless it has the name of the service."""
        for logger, shown in (
            ("", "shop[1]"), ("shop", "shop[1]"), ("shop[1]", "shop[1]"), ("shop.db", "shop[1] shop.db"),
        ):  # fmt: skip
            line = FORMATS["text"](LogRecord(1.0, "info", "shop[1]", "hello", "abc", logger=logger))
            self.assertEqual(line.partition(b" info ")[2], f"{shown} [abc]: hello\n".encode())

    def test_lost(self) -> None:
        """The event that stands for lost events has their number and the reason."""
        record = lost_events(2913, "its reader is too slow")
        self.assertEqual(record.level, "warn")
        self.assertIn("2,913 events are missing here", record.message)
        self.assertIn("its reader is too slow", record.message)
