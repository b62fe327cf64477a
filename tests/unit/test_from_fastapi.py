"""The page about FastAPI has the figures of the two applications that it compares."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

TESTS: Final = Path(__file__).resolve().parents[1]
PAGE: Final = TESTS.parent / "docs" / "how-to" / "from-fastapi.rst"


def count(paths: Iterable[Path]) -> int:
    """The lines that are neither empty nor comments."""
    lines = [line.strip() for path in paths for line in path.read_text().splitlines()]
    return sum(bool(line) and not line.startswith("#") for line in lines)


class FiguresTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """The table has the lines of both applications, their configurations and tests."""
        rows: dict[str, list[int]] = {"application": [], "configuration": [], "tests": []}
        for name in ("theirs", "ours"):
            modules = set((TESTS / "conformance" / "fastapi" / name).rglob("*.py"))
            tests = {path for path in modules if path.name.startswith("test_")}
            rows["application"].append(count(modules - tests))
            settings = (TESTS / "conformance" / "fastapi" / name).rglob("*.toml")
            rows["configuration"].append(count(settings))
            rows["tests"].append(count(tests))
        text = PAGE.read_text()
        for title, (theirs, ours) in rows.items():
            self.assertRegex(text, rf"\* - {title}\n +- {theirs}\n +- {ours}\n")

    def test_requests(self) -> None:
        """The number of requests is that of the list, which the comparison prints."""
        found = re.search(r"the same (\d+) requests", PAGE.read_text())
        self.assertIsNotNone(found)
        self.assertGreaterEqual(int(found[1]) if found else 0, 200)
