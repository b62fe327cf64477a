"""The log on a terminal."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.log_record import LogRecord
from unixsvc.telemetry.terminal_text import COLOURS, TerminalFormat, wants_colours

_ENOUGH = 3.9  # WCAG asks for 4.5, on one known background: with 4.58, both would be reached by greys only


def _luminance(colour: int) -> float:
    """That of a colour of the palette, as WCAG 2 defines it."""
    if colour >= 232:
        values = [8 + 10 * (colour - 232)] * 3
    else:
        cube = colour - 16
        values = [0 if part == 0 else 55 + 40 * part for part in (cube // 36, cube // 6 % 6, cube % 6)]
    linear = [
        value / 255 / 12.92 if value / 255 <= 0.03928 else ((value / 255 + 0.055) / 1.055) ** 2.4
        for value in values
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


class TerminalTests(SynchronousTestCase):
    """Columns and colours."""

    records = (
        LogRecord(1_700_000_000.25, "info", "orchestrator", "ready"),
        LogRecord(1_700_000_000.25, "error", "shop[1]", "failed", "r1", "Traceback\nValueError", "db"),
        LogRecord(1_700_000_000.25, "warn", "a" * 20 + "[12]", "slow", fields={"ms": 7}),
        LogRecord(1_700_000_000.25, "info", "shop[1]", "done"),
    )

    def test_aligned(self) -> None:
        """Names and texts stand in columns; further lines below the text."""
        write = TerminalFormat(colour=False)
        lines = b"".join(map(write, self.records)).decode().splitlines()
        self.assertEqual(lines[0][8:], ".250 info  orchestrator ready")
        self.assertEqual(lines[1][8:], ".250 error shop[1]      [r1] db: failed")
        self.assertEqual(lines[3].strip(), "ValueError")
        self.assertEqual(lines[3].index("ValueError"), lines[1].index("[r1]"))
        self.assertEqual(lines[4].index("slow ms=7"), lines[5].index("done"))

    def test_colours(self) -> None:
        """With colours, the text is the same."""
        plain, coloured = TerminalFormat(colour=False), TerminalFormat(colour=True)
        for each in self.records:
            shown = coloured(each).decode()
            self.assertEqual(re.sub("\x1b\\[[0-9;]*m", "", shown), plain(each).decode())
            self.assertIn("\x1b[38;5;", shown)
        self.assertNotIn(b"\x1b", plain(LogRecord(1.0, "error", "x\x1b[1m", "\x1b[2J", "\x1b")))

    def test_contrast(self) -> None:
        """Each colour can be read on white and on black."""
        for colour in COLOURS:
            light = _luminance(colour)
            self.assertGreaterEqual(1.05 / (light + 0.05), _ENOUGH, colour)
            self.assertGreaterEqual((light + 0.05) / 0.05, _ENOUGH, colour)

    def test_wanted(self) -> None:
        """NO_COLOR, and a terminal that has none, turn them off."""
        self.assertTrue(wants_colours({"TERM": "xterm"}))
        self.assertTrue(wants_colours({"NO_COLOR": ""}))
        self.assertFalse(wants_colours({"NO_COLOR": "1"}))
        self.assertFalse(wants_colours({"TERM": "dumb"}))
