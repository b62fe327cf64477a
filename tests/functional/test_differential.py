"""The tool that compares two revisions, with the present one on both sides."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

_TIMEOUT = 300.0  # seconds; only reached if something is broken


class DifferentialTests(SynchronousTestCase):
    def test_same(self) -> None:
        """A revision answers as it does itself, to the byte, and the last line says so."""
        done = subprocess.run(
            [
                sys.executable,
                *("-m", "tests.differential", "installed", "installed", "--target", "private"),
                *("--only", "socket", "--only", "http", "--conversations", "150", "--requests", "20"),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(os.path.abspath(each) for each in sys.path)},
            check=False,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        lines = done.stdout.splitlines()
        self.assertEqual(len(lines), 3, done.stdout)
        self.assertIn(" equal to the byte, 0 equal but for texts, 0 different", lines[-1])
        self.assertNotIn(" 0 equal to the byte", done.stdout)
