"""``unixsvc new``."""

from __future__ import annotations

import os
from pathlib import Path

from tests.unit.cli.command_runner import CommandTestCase


class NewTests(CommandTestCase):
    def setUp(self) -> None:
        """Go to the folder, where there is no configuration."""
        super().setUp()
        self.config = ""
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.folder)
        self.before = set(os.listdir())

    def test_created(self) -> None:
        """The project is in a folder of the name as it was given; the output says how to go on."""
        outcome = self.run_command("new", "MyStore")
        self.assertEqual((outcome.code, outcome.err), (0, ""))
        self.assertEqual(outcome.out, "created MyStore with 21 files; MyStore/README.md explains them\n")
        self.assertEqual(set(os.listdir()) - self.before, {"MyStore"})
        self.assertTrue(Path("MyStore/my_store/sqlite.py").is_file())
        self.assertNotIn("[http]", Path("MyStore/unixsvc.toml").read_text())

    def test_requirement(self) -> None:
        """The project needs the installed version of unixsvc, as far as that is known."""
        self.run_command("new", "store")
        version = self.run_command("--version").out.strip()
        needed = f"unixsvc>={'.'.join(version.split('.')[:2])}" if version[0].isdigit() else "unixsvc"
        self.assertIn(f'"{needed}"', Path("store", "pyproject.toml").read_text())

    def test_http(self) -> None:
        """With --http it has the gateway."""
        self.run_command("new", "store", "--http")
        for name in ("unixsvc.toml", "deploy/production.toml"):
            self.assertIn("[http]", Path("store", name).read_text())
        for name in ("README.md", "Dockerfile"):
            self.assertIn("8080", Path("store", name).read_text())

    def test_refused(self) -> None:
        """A reserved name, and a folder that is not empty, are errors of one line; nothing is written."""
        os.mkdir("store")
        Path("store", "mine").touch()
        self.assertError(self.run_command("new", "json"), 2, "json", "standard library")
        self.assertError(self.run_command("new", "store"), 2, "store: exists, and is not an empty folder")
        self.assertError(self.run_command("new"), 2, "NAME")
        self.assertEqual(set(os.listdir()) - self.before, {"store"})
        self.assertEqual(os.listdir("store"), ["mine"])
