"""The diagrams of the documentation have the names of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

import unixsvc
from unixsvc.orchestrator.pool.model import WorkerPhase

_DIAGRAMS: Final = Path(__file__).resolve().parents[2] / "docs" / "diagrams"
_CLASS: Final = re.compile(r"\b(?:[A-Z][a-z]+){2,}\b|\bI[A-Z]\w+\b")


class DiagramTests(SynchronousTestCase):
    def test_phases(self) -> None:
        """The life of a worker has every phase, and beside them only its start and its end."""
        text = Path(_DIAGRAMS, "worker-life.dot").read_text()
        nodes = set(re.findall(r"^    (\w+)(?: \[.*\])?$", text, re.MULTILINE))
        self.assertEqual(nodes, {"spawn", "exited", *(phase.value for phase in WorkerPhase)})

    def test_classes(self) -> None:
        """The path of a message names classes that exist."""
        text = Path(_DIAGRAMS, "message.dot").read_text().replace("\\n", " ")
        names = set(_CLASS.findall(text))
        self.assertGreater(len(names), 8)
        package = Path(str(unixsvc.__file__)).parent
        classes = {
            name
            for path in package.rglob("*.py")
            for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)
        }
        self.assertEqual(names - classes, set())
