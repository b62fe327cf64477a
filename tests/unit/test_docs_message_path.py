"""The page about the path of a message names functions that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import unixsvc

_FOLDER = Path(unixsvc.__file__).parent
_PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "messages.rst"
_NAME = r"``([A-Za-z_.]+)``"


def _defined(path: str) -> set[str]:
    """The functions and classes of a file, and the methods of its classes as Class.method and as method."""
    found = set()
    for node in ast.parse((_FOLDER / path).read_text()).body:
        if isinstance(node, ast.ClassDef):
            methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
            found |= {node.name, *methods} | {f"{node.name}.{method}" for method in methods}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


class MessagePathTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Each function that is named with its file is there."""
        text = _PAGE.read_text()
        named = re.findall(rf"{_NAME}(?:, | \()``([a-z_/]+\.py)``", text)
        named += re.findall(rf"{_NAME},\s``([a-z_/]+\.py)``", text)
        self.assertGreater(len(named), 10)
        for name, path in named:
            self.assertIn(name, _defined(path), path)
