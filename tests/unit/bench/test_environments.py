from __future__ import annotations

import os
import sys
from pathlib import Path
from time import time

from twisted.trial.unittest import SynchronousTestCase

from bench.environments import CommandError, prepare_once, remove_old, run_command, versions
from bench.systems import missing_requirement


class PrepareTests(SynchronousTestCase):
    def setUp(self) -> None:
        """A folder that is to be filled."""
        self.cache = Path(self.mktemp())
        self.folder = self.cache / "it"
        self.filled = 0

    def fill(self) -> None:
        """Fill the folder."""
        self.filled += 1

    def fail(self) -> None:  # type: ignore[override]
        """Fail to fill the folder."""
        raise CommandError("pip: it failed")

    def test_used_again(self) -> None:
        """An environment that was made is not made again."""
        prepare_once(self.folder, self.fill)
        prepare_once(self.folder, self.fill)
        self.assertEqual(self.filled, 1)

    def test_failure(self) -> None:
        """An environment that could not be made is made the next time."""
        self.assertRaises(CommandError, prepare_once, self.folder, self.fail)
        prepare_once(self.folder, self.fill)
        self.assertEqual(self.filled, 1)

    def test_old(self) -> None:
        """Only environments that were not used for a day are removed, and the most recent ones never."""
        for age, name in enumerate(("new", "old", "older"), start=1):
            prepare_once(self.cache / name, self.fill)
            used = time() - age * 80_000
            os.utime(self.cache / name / "done", (used, used))
        remove_old(self.cache, kept=0)
        self.assertEqual([each.parent.name for each in self.cache.glob("*/done")], ["new"])
        os.utime(self.cache / "new" / "done", (0, 0))
        remove_old(self.cache, kept=1)
        self.assertEqual([each.parent.name for each in self.cache.glob("*/done")], ["new"])


class CommandTests(SynchronousTestCase):
    def test_error(self) -> None:
        """Of a long message, the error is the last line that says so."""
        program = "import sys; sys.exit('reading\\nERROR: no such package\\nnotice: a new version')"
        error = self.assertRaises(CommandError, run_command, [sys.executable, "-c", program], "pip")
        self.assertEqual(str(error), "pip: ERROR: no such package")

    def test_silent(self) -> None:
        """A program that fails without a message has an error, too."""
        command = [sys.executable, "-c", "import sys; sys.exit(1)"]
        error = self.assertRaises(CommandError, run_command, command, "git", silent="no such revision")
        self.assertEqual(str(error), "git: no such revision")

    def test_no_program(self) -> None:
        """A program that is not installed is named."""
        error = self.assertRaises(CommandError, run_command, ["no-such-program"], "it")
        self.assertEqual(str(error), "no program no-such-program")


class RequirementTests(SynchronousTestCase):
    def test_versions(self) -> None:
        """The versions in the report are those that are installed."""
        self.assertEqual(versions(("a==1.0", "b==2")), {"a": "1.0", "b": "2"})

    def test_cannot_be_installed(self) -> None:
        """Where a peer's environment cannot be made, one line says why, and how to get it."""
        file = Path(self.mktemp())
        file.touch()
        self.patch(os, "environ", {**os.environ, "XDG_CACHE_HOME": str(file)})
        reason = missing_requirement(("granian==2.8.9", "uvloop==0.23.0"))
        self.assertIn("Not a directory", reason)
        self.assertTrue(
            reason.endswith("; needs what this installs: pip install granian==2.8.9 uvloop==0.23.0")
        )
        self.assertEqual(len(reason.splitlines()), 1)
