"""Which process has started which."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.security import ancestry
from unixsvc.security.ancestry import is_descendant

ORCHESTRATOR = 100


class AncestryTests(SynchronousTestCase):
    """A tree of processes, as files that look like those of procfs."""

    def setUp(self) -> None:
        """Make an orchestrator with a worker and its child, and a shell with a command."""
        self.proc = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.proc)
        for pid, parent in {1: 0, 50: 1, ORCHESTRATOR: 50, 101: ORCHESTRATOR, 102: 101, 60: 50}.items():
            self.run_process(pid, parent)

    def run_process(self, pid: int, parent: int, name: str = "python") -> None:
        """Add a process."""
        folder = Path(self.proc, str(pid))
        folder.mkdir(exist_ok=True)
        (folder / "stat").write_text(f"{pid} ({name}) S {parent} {pid} {pid} 0 -1\n")

    def descends(self, pid: int) -> bool:
        """Whether a process descends from the orchestrator."""
        return is_descendant(pid, ORCHESTRATOR, self.proc)

    def test_descendants(self) -> None:
        """Children and their children are descendants; siblings, ancestors and the process itself are not."""
        found = {pid: self.descends(pid) for pid in (101, 102, 60, 50, 1, ORCHESTRATOR)}
        self.assertEqual(found, {101: True, 102: True, 60: False, 50: False, 1: False, ORCHESTRATOR: False})

    def test_first_process(self) -> None:
        """An orchestrator may be process 1 of a container; a process that was put there has no parent."""
        self.run_process(70, 0)
        self.assertFalse(is_descendant(70, 1, self.proc))
        self.assertTrue(is_descendant(102, 1, self.proc))

    def test_names(self) -> None:
        """The name of a program cannot pretend to be another parent."""
        self.run_process(102, 101, ") S 1 1")
        self.assertTrue(self.descends(102))
        self.run_process(60, 50, f") S {ORCHESTRATOR} (")
        self.assertFalse(self.descends(60))

    def test_exited(self) -> None:
        """For a process that has exited the answer is not known, and so it is true."""
        self.assertTrue(self.descends(4000))

    def test_no_descriptor(self) -> None:
        """It is not known either if no file descriptor is left."""
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limits)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        self.assertTrue(self.descends(60))

    def test_orphan(self) -> None:
        """A process whose parent has exited is a child of process 1."""
        self.run_process(103, 1)
        self.assertFalse(self.descends(103))

    def test_hidden_ancestor(self) -> None:
        """An ancestor that procfs hides belongs to another user."""
        shutil.rmtree(os.path.join(self.proc, "50"))
        self.assertFalse(self.descends(60))
        self.assertTrue(self.descends(102))

    def test_parent_exits_meanwhile(self) -> None:
        """If the parent exits while it is read, the new parent is followed."""
        real = ancestry._parent_of
        exited: list[int] = []

        def parent_of(pid: int, proc: str) -> int | None:
            if pid == 101 and not exited:
                exited.append(pid)
                shutil.rmtree(os.path.join(proc, "101"))
                self.run_process(102, ORCHESTRATOR)
            return real(pid, proc)

        self.patch(ancestry, "_parent_of", parent_of)
        self.assertTrue(self.descends(102))

    def test_real(self) -> None:
        """The real procfs is read."""
        self.assertTrue(is_descendant(os.getpid(), os.getppid()))
        self.assertFalse(is_descendant(os.getppid(), os.getpid()))
