"""A project that ``unixsvc new`` has created, run and checked as its README says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from unittest import skipUnless

from tests.functional.http_stack import HttpTestCase


class ProjectTestCase(HttpTestCase):
    """Has a new project with HTTP, with the name of no module of ours."""

    def setUp(self) -> None:
        """Create it in place of the folder of the other tests."""
        super().setUp()
        self.assertDone("new", "corner-shop", "--http")
        self.folder = os.path.join(self.folder, "corner-shop")

    def run_module(self, *arguments: str) -> None:
        """Run a module of this environment in the folder of the project; it succeeds."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class RunTests(ProjectTestCase):
    def test_calls(self) -> None:
        """The service answers over its socket and over HTTP, survives a reload, and keeps its data."""
        configuration = Path(self.folder, "unixsvc.toml")
        text = re.sub("tcp:[0-9]+", "tcp:0", configuration.read_text())  # other tests may use the port
        configuration.write_text(text)
        running = self.serve()
        pen = {"id": 1, "name": "Pen"}
        created = self.fetch("POST", "/items", {"name": "Pen"})
        self.assertEqual((created.code, created.headers["location"], created.data), (201, "/items/1", pen))
        self.assertEqual(self.fetch("GET", "/items", token=False).code, 401)
        self.assertIn("/items/{id}", self.fetch("GET", "/openapi.json").data["paths"])
        self.assertDone("reload")
        self.assertEqual(self.ask("corner-shop", "/items", method="GET"), [pen])
        self.assertEqual(self.ask("corner-shop", "/-/health")["status"], "ok")
        running.signal(15)
        self.assertEqual((running.wait(), running.left(), running.errors), (0, [], ""))

    @skipUnless(shutil.which("git"), "git is not installed")
    def test_ignored(self) -> None:
        """The token, the data, and the files of tools are not for version control."""
        left = {".auth_token", "corner-shop.sqlite3", "corner_shop/__pycache__/x", "_trial_temp.lock"}
        for name in left:
            Path(self.folder, name).parent.mkdir(exist_ok=True)
            Path(self.folder, name).touch()
        for command in ("git init --quiet", "git add .", "git ls-files"):
            done = subprocess.run(
                command.split(), cwd=self.folder, capture_output=True, text=True, check=True
            )
        added = done.stdout.split()
        self.assertEqual((len(added), left & {*added}), (21, set()))


class CheckTests(ProjectTestCase):
    """What the project's tox.ini runs. ``tox -e types`` has these tools."""

    @skipUnless(find_spec("mypy_zope"), "mypy is not installed")
    def test_types(self) -> None:
        """Nothing is wrong for mypy in strict mode."""
        self.run_module("mypy", "--no-incremental")

    @skipUnless(find_spec("ruff"), "ruff is not installed")
    def test_lint(self) -> None:
        """Nothing is wrong for ruff, also under the longest name."""
        self.run_module("unixsvc", "new", "a" * 31)
        self.run_module("ruff", "check", "--no-cache")
        self.run_module("ruff", "format", "--check", "--no-cache")
