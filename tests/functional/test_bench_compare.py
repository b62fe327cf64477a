from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from unittest import skipUnless

from twisted.trial.unittest import SynchronousTestCase

from bench.compare.base import BASELINE, NoBaseError, default_base
from bench.revisions import ROOT, RevisionError, resolve_tree

_TIMEOUT = 600.0  # seconds; only reached when something is broken, or the machine is very busy
_GIT = shutil.which("git") is not None
_CHECKOUT = _GIT and (ROOT / ".git").exists()


@skipUnless(_GIT, "no program git")
class DefaultBaseTests(SynchronousTestCase):
    """The revision that is compared with if none is given, in repositories with a main branch."""

    def setUp(self) -> None:
        """Commits one and two on main; the baseline is one."""
        self.root = Path(self.mktemp()).resolve()
        self.root.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        self.one = self.commit("one")
        self.set_baseline(self.one)
        self.two = self.commit("two")

    def git(self, *arguments: str, root: Path | None = None) -> str:
        """Run git in the repository, independently of the user's configuration."""
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        done = subprocess.run(
            ["git", "-C", str(root or self.root), *identity, *arguments],
            env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def commit(self, text: str) -> str:
        """Commit a change of a file; the hash."""
        (self.root / "file").write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", text)
        return self.git("rev-parse", "HEAD")

    def set_baseline(self, commit: str) -> None:
        """Write the baseline; the next commit contains it."""
        path = self.root / BASELINE
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{commit}\n")

    def test_main(self) -> None:
        """The main branch is compared with the baseline."""
        self.assertEqual(default_base(".", self.root), self.one)

    def test_branch(self) -> None:
        """A branch is compared with the commit where it left the main branch."""
        self.git("switch", "--quiet", "-c", "topic")
        self.commit("three")
        self.commit("four")
        self.assertEqual(default_base("topic", self.root), self.two)
        self.assertEqual(default_base(".", self.root), self.two)

    def test_changed_files(self) -> None:
        """Changes that are not committed, new files too, are compared with the last commit of main."""
        (self.root / "new").write_text("a new file")
        self.assertEqual(default_base(".", self.root), self.two)

    def test_changed_files_stay(self) -> None:
        """The user's index is not touched."""
        (self.root / "new").write_text("a new file")
        before = resolve_tree(".", self.root)
        self.assertNotEqual(before, resolve_tree("HEAD", self.root))
        self.assertEqual(self.git("status", "--porcelain"), "?? new")

    def test_accepted_on_a_branch(self) -> None:
        """A baseline that was set on the branch counts instead of the merge base, which is earlier."""
        self.git("switch", "--quiet", "-c", "topic")
        three = self.commit("three")
        self.set_baseline(three)
        self.commit("four")
        self.assertEqual(default_base(".", self.root), three)

    def test_remote_branch(self) -> None:
        """The main branch of the remote repository counts before a local one, which may be behind."""
        clone = self.root.with_name("clone")
        self.git("clone", "--quiet", str(self.root), str(clone))
        self.git("switch", "--quiet", "-c", "topic", root=clone)
        self.git("update-ref", "refs/heads/main", self.one, root=clone)
        (clone / "file").write_text("three")
        self.assertEqual(default_base(".", clone), self.two)

    def test_shallow_clone(self) -> None:
        """In a clone without history there is nothing to compare with, which is no failure."""
        clone = self.root.with_name("shallow")
        self.git("clone", "--quiet", "--depth=1", f"file://{self.root}", str(clone))
        self.assertRaises(NoBaseError, default_base, ".", clone)

    def test_no_checkout(self) -> None:
        """An unpacked source distribution is no checkout, even inside of another repository."""
        folder = self.root / "sdist"
        folder.mkdir()
        self.assertRaises(NoBaseError, default_base, ".", folder)

    def test_wrong_baseline(self) -> None:
        """A baseline that is no commit is an error where the history is complete."""
        self.set_baseline("0" * 40)
        error = self.assertRaises(RevisionError, default_base, ".", self.root)
        self.assertIn(BASELINE, str(error))

    def test_unknown_head(self) -> None:
        """A head that does not exist is an error."""
        error = self.assertRaises(RevisionError, default_base, "no-such-branch", self.root)
        self.assertIn("no-such-branch", str(error))


class BaselineTests(SynchronousTestCase):
    def test_file(self) -> None:
        """The baseline is one whole hash: an abbreviated one may become ambiguous."""
        self.assertRegex((ROOT / BASELINE).read_text(), re.compile(r"\A[0-9a-f]{40}\n\Z"))


@skipUnless(_CHECKOUT, "no git checkout")
@skipUnless(shutil.which("valgrind"), "no program valgrind")
class CommandTests(SynchronousTestCase):
    def run_compare(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command, in a folder with nothing but the benchmark."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "bench").symlink_to(ROOT / "bench")
        path = os.pathsep.join(os.path.abspath(each) for each in sys.path)
        return subprocess.run(
            [sys.executable, "-m", "bench", "compare", *arguments],
            cwd=folder, env={**os.environ, "PYTHONPATH": path}, timeout=_TIMEOUT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def test_itself(self) -> None:
        """A revision needs as many instructions as itself, within half a percent."""
        result = Path(self.mktemp()).absolute()
        arguments = ("--short", "--load", "blocking", "--json", str(result), "HEAD", "HEAD")
        done = self.run_compare(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        (comparison,) = json.loads(result.read_text())["comparisons"]
        self.assertEqual((comparison["load"], comparison["measure"]), ("blocking client", "instructions"))
        self.assertLess(abs(comparison["ratio"] - 1), 0.005)

    def test_unknown_revision(self) -> None:
        """A revision that does not exist is one line, and exit code 2."""
        done = self.run_compare("--short", "no-such-revision", "HEAD")
        self.assertEqual(done.returncode, 2)
        self.assertIn("compare: no-such-revision", done.stderr)
