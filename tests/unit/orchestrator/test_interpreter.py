"""Tests of the interpreter of the workers."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.config.loader import load_settings
from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.interpreter import find_interpreter, foreign_environment


class InterpreterTests(SynchronousTestCase):
    """A folder with a release, a link to it, and a configuration."""

    def setUp(self) -> None:
        """Make them."""
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.programs = self.folder / "releases" / "1" / "bin"
        self.programs.mkdir(parents=True)
        self.programs.joinpath("python").symlink_to(sys.executable)
        self.folder.joinpath("current").symlink_to("releases/1")

    def settings(self, python: str) -> Settings:
        """The settings with a value of the key."""
        file = self.folder / "unixsvc.toml"
        file.write_text(f'python = "{python}"\n[services.home]\napp = "home:app"\n')
        return load_settings(str(file))

    def test_default(self) -> None:
        """Without the key, workers have the interpreter of the orchestrator."""
        self.assertEqual(find_interpreter(self.settings("")), "")

    def test_link(self) -> None:
        """Links to its folder are followed; the file is a link in a virtual environment, and stays."""
        settings = self.settings("current/bin/python")
        self.assertEqual(settings.python, str(self.folder / "current/bin/python"))
        self.assertEqual(find_interpreter(settings), os.path.realpath(self.programs) + "/python")

    def test_absent(self) -> None:
        """A file that does not exist, a folder, and a file without the right to execute it are refused."""
        self.folder.joinpath("text").write_text("")
        for path in "current/bin/python4", "current/bin", "text":
            error = self.assertRaises(ConfigError, find_interpreter, self.settings(path))
            self.assertIn(f"{path} is no program", str(error))

    def test_environment(self) -> None:
        """The environment of the interpreter is foreign if this process has another."""
        found = find_interpreter(self.settings("current/bin/python"))
        self.assertEqual(foreign_environment(found, "/usr"), os.path.realpath(self.programs.parent))
        self.assertEqual(foreign_environment(found, str(self.folder / "current")), "")
        self.assertEqual(foreign_environment("", "/usr"), "")
