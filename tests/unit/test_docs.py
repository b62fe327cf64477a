"""The page about the configuration says what the configuration is."""

from __future__ import annotations

import re
import sys
import textwrap
import tomllib
import unittest
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.http import Cors, Http
from unixsvc.config.settings import Limits, Log, ResourceLimits, Security, ServiceSettings, Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "configuration.rst"

_SECTION = re.compile(r"^(?P<title>\S.*)\n-+$", re.MULTILINE)
_ROW = re.compile(r"^   \* - ``(?P<key>\w+)``\n     - (?P<default>.*)$", re.MULTILINE)


def rows_of(title: str) -> dict[str, str]:
    """The keys of a section's table, with their defaults as they stand there."""
    text = PAGE.read_text("utf-8")
    starts = {found["title"]: found.end() for found in _SECTION.finditer(text)}
    begin = starts[title]
    end = min((found.start() for found in _SECTION.finditer(text, begin)), default=len(text))
    return {row["key"]: row["default"] for row in _ROW.finditer(text, begin, end)}


def defaults_of(kind: type[Struct]) -> dict[str, Any]:
    """The keys of a table, with their defaults."""
    return {each.encode_name: _default_of(each) for each in msgspec.structs.fields(kind)}


def _default_of(field: msgspec.structs.FieldInfo) -> Any:
    if field.required:
        return "required"
    made = field.default is msgspec.NODEFAULT and field.default_factory is not msgspec.NODEFAULT
    default = field.default_factory() if made else field.default
    if isinstance(default, Struct):
        return {key: value for key, value in msgspec.structs.asdict(default).items() if value is not None}
    return list(default) if isinstance(default, tuple) else default


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


class ConfigurationPage(SynchronousTestCase):
    def assertDescribed(self, title: str, expected: dict[str, Any]) -> None:
        """The section names these keys, no others, with these defaults."""
        rows = rows_of(title)
        self.assertEqual(sorted(rows), sorted(expected))
        for key, text in rows.items():
            quoted = re.fullmatch("``(.*)``", text)
            value = tomllib.loads(f"value = {quoted[1]}")["value"] if quoted else text
            self.assertEqual(value, expected[key], key)

    def test_limits(self) -> None:
        """Each limit is described, with its default."""
        self.assertDescribed("``[limits]``", defaults_of(Limits))

    def test_security(self) -> None:
        """Each key of ``[security]`` is described, with its default."""
        self.assertDescribed("``[security]``", defaults_of(Security))

    def test_log(self) -> None:
        """Each key of ``[log]`` is described, with its default."""
        self.assertDescribed("``[log]``", defaults_of(Log))

    def test_http(self) -> None:
        """Each key of ``[http]`` and ``[http.cors]`` is described, with its default."""
        own = {key: value for key, value in defaults_of(Http).items() if key != "cors"}
        self.assertDescribed("``[http]``", own)
        self.assertDescribed("``[http.cors]``", {k: _plain(v) for k, v in defaults_of(Cors).items()})

    def test_services(self) -> None:
        """Each key of a service is described, but for the limits, which are the general ones."""
        own = {
            key: value
            for key, value in defaults_of(ServiceSettings).items()
            if key not in defaults_of(Limits)
        }
        self.assertDescribed("``[services.NAME]``", own)

    def test_resource_limits(self) -> None:
        """Each key of a service's ``rlimits`` is named."""
        for key in ResourceLimits.__struct_fields__:
            self.assertIn(f"``{key}``", PAGE.read_text("utf-8"))

    def test_top(self) -> None:
        """So is each key outside of the tables."""
        tables = {"limits", "security", "services", "http", "log"}
        derived = {"source", "folder"}  # not written, but known from where the file is
        self.assertEqual(set(rows_of("The whole")), set(Settings.__struct_fields__) - tables - derived)


class ExamplesTests(SynchronousTestCase):
    """What the pages show works as it stands there."""

    def test_items(self) -> None:
        """The test of the page on testing passes with the application of the README."""
        application = _block(ROOT / "README.md", "class NewItem", "```python\n", "```")
        tests = _indented(ROOT / "docs" / "testing.rst", "class ItemsTests")
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "items.py").write_text(application)
        sys.path.insert(0, str(folder))
        self.addCleanup(sys.modules.pop, "items", None)
        self.addCleanup(sys.path.remove, str(folder))
        names: dict[str, Any] = {"__name__": "page"}
        exec(compile(tests, "docs/testing.rst", "exec"), names)  # noqa: S102  # it is ours
        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(names["ItemsTests"]).run(result)
        self.assertEqual((result.testsRun, result.failures, result.errors), (1, [], []))


def _block(page: Path, words: str, begin: str, end: str) -> str:
    """The code of a page that has these words."""
    text = page.read_text("utf-8")
    found = text.index(words)
    start = text.rindex(begin, 0, found) + len(begin)
    return text[start : text.index(end, found)]


def _indented(page: Path, words: str) -> str:
    """The indented block of a page that has these words."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", page.read_text("utf-8"), re.MULTILINE)
    [found] = (each for each in blocks if words in each)
    return textwrap.dedent(found)
