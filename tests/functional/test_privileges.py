"""Tests of the privileges and descriptors of workers."""

from __future__ import annotations

import contextlib
import os
import resource
import stat
from unittest import skipIf

import psutil

from tests.functional.orchestrator_process import OrchestratorTestCase

_NOBODY = 65534
_OF_SOMEBODY = ("socket:", "pipe:", "/tmp/", "/memfd:")  # noqa: S108  # not those that look alike, as /dev/null


class PrivilegeTests(OrchestratorTestCase):
    """Users, groups, umasks, limits and descriptors of workers."""

    def test_descriptors(self) -> None:
        """A worker has the standard three, two pipes, the page of counts, and the listening socket."""
        self.configure(self.config + '[services.other]\napp = "codes:app"\n')
        running = self.start()
        (pid,) = self.worker_pids()
        theirs = set(self.links(running.process.pid).values())
        links = self.links(pid)
        self.assertEqual(links[0], "/dev/null")
        shared = [n for n, link in links.items() if link in theirs and link.startswith(_OF_SOMEBODY)]
        self.assertEqual(sorted(shared)[:6], [1, 2, 3, 4, 5, 6])
        self.assertEqual({links[each] for each in sorted(shared)[6:]}, {links[5]})  # which it has mapped
        self.assertTrue(links[5].startswith("/memfd:unixsvc-connections"))
        self.assertTrue(links[6].startswith("socket:"))

    def links(self, pid: int) -> dict[int, str]:
        """The target of each descriptor of a process."""
        folder, found = f"/proc/{pid}/fd", {}
        for each in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # closed since
                found[int(each)] = os.readlink(os.path.join(folder, each))
        return found

    def test_limits(self) -> None:
        """The umask and the resource limits apply to the worker only."""
        self.configure(self.config + 'umask = "027"\nrlimits = { open_files = 200, memory = 4000000000 }\n')
        running = self.start()
        (pid,) = self.worker_pids()
        process: psutil.Process = psutil.Process(pid)
        self.assertEqual(process.rlimit(psutil.RLIMIT_NOFILE), (200, 200))
        self.assertEqual(process.rlimit(psutil.RLIMIT_AS), (4_000_000_000, 4_000_000_000))
        with open(f"/proc/{pid}/status") as file:
            self.assertIn("Umask:\t0027\n", file)
        ours = psutil.Process(running.process.pid).rlimit(psutil.RLIMIT_NOFILE)
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(ours, (hard, hard))  # and the orchestrator has raised its own to the maximum

    @skipIf(os.geteuid() != 0, "only root can run workers as another user")
    def test_user(self) -> None:
        """A worker runs as another user and serves clients of this one."""
        os.chmod(self.folder, 0o755)
        self.configure(self.config + 'user = "nobody"\n[services.other]\napp = "codes:app"\n')
        self.start()
        (pid,), (other,) = self.worker_pids(), self.worker_pids("other")
        self.assertEqual(set(psutil.Process(pid).uids()), {_NOBODY})
        self.assertEqual(set(psutil.Process(other).uids()), {0})
        environment = self.ask("codes", "/environment")
        names = ("HOME", "USER", "PATH")
        expected = ["/nonexistent", "nobody", os.environ["PATH"]]
        self.assertEqual([environment[each] for each in names], expected)
        self.assertDone("call", "codes", "/item/3")
        self.assertEqual(stat.S_IMODE(os.stat(self.path()).st_mode), 0o660)
        self.assertDone("reload", "codes")
        self.assertDone("call", "codes", "/item/3")

    def test_wrong(self) -> None:
        """An unknown user is one line and exit code 2."""
        self.configure(self.config + 'user = "nobody-of-that-name"\n')
        running = self.start(ready=False)
        self.assertEqual(running.wait(), 2)
        self.assertIn("services.codes.user", running.errors)
        self.assertEqual(running.errors.count("\n"), 1)
