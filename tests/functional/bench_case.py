"""Runs the benchmark as a program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

__all__ = ["TIMEOUT", "BenchCase"]

TIMEOUT: Final = 300.0
"""In seconds; only reached if something is broken or the machine is very busy."""

_BENCH = Path(__file__).resolve().parents[2] / "bench"


class BenchCase(SynchronousTestCase):
    """Has a folder with nothing but ``bench``, and one for temporary files."""

    def setUp(self) -> None:
        """A folder with nothing but ``bench``, so that the installed package is measured."""
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        os.symlink(_BENCH, os.path.join(self.folder, "bench"))
        self.temporary = os.path.join(self.folder, "tmp")
        os.mkdir(self.temporary)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start Python in the folder, in a session of its own."""
        path = os.pathsep.join(os.path.abspath(each) for each in sys.path)
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path, "TMPDIR": self.temporary},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.addCleanup(self._end, process)
        return process

    def _end(self, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            process.kill()
        process.communicate()

    def run_python(self, *arguments: str) -> str:
        """Run Python in the folder; it must succeed. Its output."""
        process = self.start(*arguments)
        out, errors = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0, errors)
        return out

    def assertNothingLeft(self) -> None:
        """No temporary file is left."""
        self.assertEqual(os.listdir(self.temporary), [])
