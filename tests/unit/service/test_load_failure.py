"""One line for what an application raises while it is imported."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import ConfigError
from unixsvc.routing.app import load_object
from unixsvc.service.load_failure import explains_itself, load_failure


class LoadFailureTests(SynchronousTestCase):
    def assertPlace(self, kind: type[Exception], code: str, line: int, problem: str) -> None:
        """The failure of this code names a line of its file."""
        path = Path(self.mktemp()).resolve()
        path.write_text(code)
        error = self.assertRaises(kind, runpy.run_path, str(path))
        found = load_failure(error)
        self.assertEqual((found.where, found.problem), (f"{path}:{line}", problem))

    def test_raised(self) -> None:
        """The line that has raised the exception."""
        self.assertPlace(ValueError, "\nraise ValueError('bad')", 2, "ValueError: bad")

    def test_syntax(self) -> None:
        """The line that is not Python."""
        self.assertPlace(SyntaxError, "x = 1\n\noops =\n", 3, "SyntaxError: invalid syntax")

    def test_in_library(self) -> None:
        """The last line of the application, if the standard library or the framework raises the exception."""
        problem = "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
        self.assertPlace(ValueError, f"import {json.__name__}\njson.loads('')\n", 2, problem)
        code = f"from {load_object.__module__} import load_object\n\nload_object('nothing')"
        problem = "unixsvc.errors.ConfigError: 'nothing': is not the name of an object; write it as"
        self.assertPlace(ConfigError, code, 3, f"{problem} package.module:name")


class TracebackTests(SynchronousTestCase):
    def test_explains_itself(self) -> None:
        """A traceback adds nothing to an error of syntax, or to an import that fails in the first file."""
        for kind, code, explained in (
            (SyntaxError, "app = (", True),
            (ImportError, "import there_is_no_such_module", True),
            (ValueError, "raise ValueError('no database')", False),
            (ImportError, "def load():\n    import there_is_no_such_module\nload()", False),
        ):
            path = Path(self.mktemp())
            path.write_text(code)
            self.assertEqual(explains_itself(self.assertRaises(kind, runpy.run_path, str(path))), explained)
