"""The installed package, used outside of the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from unittest import skipUnless

from twisted.trial.unittest import TestCase

import unixsvc


def _files() -> list[str]:
    """The files of the installed distribution; nothing in a source tree."""
    try:
        distribution = metadata.distribution("unixsvc")
    except metadata.PackageNotFoundError:
        return []
    here = Path(str(distribution.locate_file("unixsvc/__init__.py"))).resolve()
    if here != Path(unixsvc.__file__).resolve() or here.parents[1].joinpath("setup.py").exists():
        return []
    return [str(each) for each in distribution.files or []]


@skipUnless(_files(), "the tests run against the source")
class Installed(TestCase):
    def run_program(self, name: str, *arguments: str) -> tuple[int, str, str]:
        """Run a program of this environment in another directory; returns exit code, output and errors."""
        program = os.path.join(os.path.dirname(sys.executable), name)
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [program, *arguments],
                cwd=folder, env=environment, check=False, capture_output=True, text=True, timeout=30,
            )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    def test_files(self) -> None:
        """It adds one file to Twisted's package of plugins, and replaces none of Twisted's own."""
        ours = [each for each in _files() if each.startswith("twisted/") and "__pycache__" not in each]
        self.assertEqual(ours, ["twisted/plugins/unixsvc_plugin.py"])
        for name in [
            "unixsvc/py.typed",
            "unixsvc/cli/scaffold/templates/http/port.tmpl",
            "unix_app/user/sqlite.py",
            "unixsvc/orchestrator/worker/__main__.py",
        ]:
            self.assertIn(name, _files())

    def test_plugin(self) -> None:
        """``twistd`` lists the command without warnings."""
        code, out, err = self.run_program("twistd", "--help")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("\n    unixsvc ", out)

    def test_plugin_options(self) -> None:
        """The help of the command works, so the plugin finds its module."""
        code, out, err = self.run_program("twistd", "unixsvc", "--help")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("--config", out)

    def test_command(self) -> None:
        """The command line is installed and shows its version."""
        expected = (0, metadata.version("unixsvc") + "\n", "")
        self.assertEqual(self.run_program("unixsvc", "--version"), expected)

    def test_demo(self) -> None:
        """The configuration and the routes of the demo are valid."""
        expected = (0, "home: fine, 1 route\nuser: fine, 6 routes\nhttp: fine, 9 routes, 1 mount\n", "")
        self.assertEqual(self.run_program("unixsvc", "check"), expected)
