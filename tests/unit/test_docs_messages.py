"""The page on troubleshooting explains each message that the package has for people."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

import unixsvc

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "troubleshooting.rst"

# Which argument of an error says what is wrong.
_ERRORS: Final = {
    "BadGateway": 0,
    "BadOptionUsage": 1,
    "BadParameter": 0,
    "ConfigError": 1,
    "Conflict": 0,
    "DeadlineExceeded": 0,
    "ServiceUnreachable": 1,
    "UnsupportedMediaType": 0,
    "UsageError": 0,
    "_unusable": 1,
    "error_from": 1,
}
_LOGGED: Final = ("warn", "error", "failure")


class MessagesTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Read what the page quotes."""
        quoted = re.findall(r"``(.+?)``(?!`)", PAGE.read_text("utf-8"), re.DOTALL)
        self.quoted = [re.sub(r"\s+", " ", each) for each in quoted]

    def test_explained(self) -> None:
        """Errors, and what is logged as a warning or an error; a name in capitals stands for what differs."""
        found = dict(_messages())
        self.assertGreater(len(found), 100)
        for pattern, where in found.items():
            explained = any(re.fullmatch(pattern, each) for each in self.quoted)
            self.assertTrue(explained, f"{where}: {pattern}")


def _messages() -> Iterator[tuple[str, str]]:
    """The messages of the package, as patterns, and where they are."""
    package = Path(str(unixsvc.__file__)).parent
    for path in sorted(package.rglob("*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        names: dict[str, list[ast.expr]] = {}
        for node in nodes:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                names.setdefault(node.targets[0].id, []).append(node.value)
        for node in nodes:
            if isinstance(node, ast.Call):
                for text in _texts_of(node, names):
                    yield text, f"{path.relative_to(package)}:{node.lineno}"


def _texts_of(call: ast.Call, names: dict[str, list[ast.expr]]) -> Iterator[str]:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    limited = name == "emit" and isinstance(call.args[0], ast.Constant) and call.args[0].value in _LOGGED
    logged = limited or (
        name in _LOGGED and isinstance(call.func, ast.Attribute) and "log" in ast.unparse(call.func.value)
    )
    place = 2 if limited else 0 if logged else _ERRORS.get(name)
    if place is None or len(call.args) <= place:
        return
    given = call.args[place]
    texts = [given]
    if isinstance(given, ast.IfExp):
        texts = [given.body, given.orelse]
    elif isinstance(given, ast.Name):
        texts = names.get(given.id, [])
    for each in texts:
        pattern = _pattern_of(each, logged=logged)
        if pattern.strip(".+"):  # else it is put together elsewhere
            yield pattern


def _pattern_of(text: ast.expr, *, logged: bool) -> str:
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        escaped = re.escape(text.value)
        return re.sub(r"\\\{.+?\\\}", ".+", escaped) if logged else escaped
    if isinstance(text, ast.JoinedStr):
        parts = [each.value if isinstance(each, ast.Constant) else None for each in text.values]
        return "".join(".+" if each is None else re.escape(str(each)) for each in parts)
    return ""
