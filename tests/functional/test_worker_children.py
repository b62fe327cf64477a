"""Processes that workers start, and exit handlers of applications."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import psutil

from tests.functional.orchestrator_process import OrchestratorProcess, OrchestratorTestCase


def _status(pid: int) -> str:
    """The status of a process; empty if there is none."""
    try:
        return str(psutil.Process(pid).status())
    except psutil.NoSuchProcess:
        return ""


class ChildrenTests(OrchestratorTestCase):
    """Workers whose application has a pool of processes."""

    config = """
        [services.children]
        app = "children:app"
        [http]
        app = "children:app"
        listen = ["unix:web.sock"]
    """

    def exited(self, running: OrchestratorProcess) -> int:
        """How many exit handlers have run."""
        return len(running.logged("the exit handler has run"))

    def files(self) -> int:
        """How many temporary folders of workers there are."""
        return len(list(Path(self.folder).glob("files-*")))

    def alive(self, *pids: int) -> list[int]:
        """Those of some processes that run."""
        return [pid for pid in pids if _status(pid) not in ("", "zombie")]

    def test_exit(self) -> None:
        """At a reload and a stop, exit handlers run, and no process, file or listening socket is left."""
        running = self.start()
        self.assertEqual(self.files(), 2)
        left = self.ask("children", "/leave")
        self.assertDone("reload")
        self.eventually(lambda: self.exited(running) == 2)
        self.eventually(lambda: not self.alive(*left))
        self.assertEqual(self.files(), 2)
        left = self.ask("children", "/leave")
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertEqual((self.exited(running), self.files(), self.alive(*left)), (4, 0, []))
        self.assertEqual(running.left(), [])
        web = socket.socket(socket.AF_UNIX)
        self.addCleanup(web.close)
        self.assertRaises(OSError, web.connect, os.path.join(self.folder, "web.sock"))

    def test_killed(self) -> None:
        """The processes of a worker that is killed end with it, and its successor can listen."""
        self.start()
        pid, left = self.ask("children", "/pid"), self.ask("children", "/leave")
        pool = [child.pid for child in psutil.Process(pid).children()]
        os.kill(pid, signal.SIGKILL)
        self.eventually(lambda: not self.alive(*left, *pool))
        self.assertNotEqual(self.ask("children", "/pid"), pid)

    def test_orphan(self) -> None:
        """If the orchestrator is killed, the processes of its workers end with them."""
        running = self.start()
        pid = self.ask("children", "/pid")
        pool = [child.pid for child in psutil.Process(pid).children()]
        left = self.ask("children", "/leave")[:2]
        running.signal(signal.SIGKILL)
        self.eventually(lambda: not self.alive(pid, *left, *pool))

    def test_pool(self) -> None:
        """TERM to a child, as at the end of a pool of multiprocessing, does not reach the worker."""
        running = self.start()
        pid = self.ask("children", "/pid")
        for _ in range(3):
            self.assertEqual(self.ask("children", "/pool"), [0, 1, 4, 9])
        self.assertEqual(self.ask("children", "/pid"), pid)
        self.assertEqual(running.logged("drains"), [])

    def test_shared(self) -> None:
        """A forked child has neither sockets nor pipes of the worker, nor its signal handlers."""
        self.start()
        with self.talk("children"):
            found = self.ask("children", "/shared")
        self.assertEqual([address for address in found["addresses"] if address], [])
        self.assertEqual(found["descriptors"], ["/dev/null"] * 4)
        default = str(signal.SIG_DFL)
        expected = [default, str(signal.default_int_handler), default, default, default]
        self.assertEqual([text.partition(" at ")[0] for text in found["signals"]], [
            text.partition(" at ")[0] for text in expected
        ])  # fmt: skip
        self.assertEqual((found["wakeup"], found["blocked"]), (-1, 0))

    def test_executed(self) -> None:
        """A program that a worker executes neither ignores nor blocks these signals."""
        self.start()
        ignored, blocked = (
            int(line.split()[1], 16) for line in sorted(self.ask("children", "/executed"))[::-1]
        )
        for number in signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGUSR1, signal.SIGQUIT:
            self.assertFalse((ignored | blocked) >> (number - 1) & 1, number)

    def test_zombies(self) -> None:
        """The orchestrator reaps processes that it adopts."""
        running = self.start()
        self.ask("children", "/zombies")
        orchestrator = psutil.Process(running.process.pid)

        def reaped() -> bool:
            return "zombie" not in [_status(child.pid) for child in orchestrator.children()]

        self.eventually(reaped)

    def test_hanging_exit_handler(self) -> None:
        """An exit handler that does not return is cut off after kill_timeout, and its stack is in the log."""
        self.configure(
            '[services.children]\napp = "children:app"\nkill_timeout = 1\nenvironment = { HANG = "yes" }\n'
        )
        running = self.start()
        running.signal(signal.SIGTERM)
        self.assertEqual(running.wait(), 0)
        self.assertTrue(running.logged("in _at_exit"), running.log)
        self.assertEqual(running.left(), [])
