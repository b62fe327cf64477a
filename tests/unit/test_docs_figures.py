"""The figures about performance are those of one measurement."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
_FIGURE: Final = re.compile(r"(?<![\w.,])(?:\d{1,3}(?:,\d{3})+|\d+\.\d+)(?![\w.,]*\w)")


class FiguresTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Read the tables of the measurement."""
        self.measured = figures_of((DOCS / "reference" / "performance.rst").read_text("utf-8"))
        self.assertGreater(len(self.measured), 100)

    def test_summary(self) -> None:
        """The page for users has figures of the tables."""
        text = (DOCS / "explanation" / "performance.rst").read_text("utf-8")
        summary = figures_of(re.sub(r"10,000 routes|reference/\S+", "", text))
        self.assertGreater(len(summary), 15)
        self.assertEqual(set(), summary - self.measured - {"100,000", "0.1"})  # the original's

    def test_readme(self) -> None:
        """The comparison of the README has figures of the tables."""
        text = (ROOT / "README.md").read_text("utf-8").partition("## How fast")[2].partition("Over HTTP")[0]
        compared = figures_of(text)
        self.assertGreater(len(compared), 20)
        self.assertEqual(set(), compared - self.measured)


def figures_of(text: str) -> set[str]:
    """The numbers with a thousands separator or a decimal point."""
    return set(_FIGURE.findall(text))
