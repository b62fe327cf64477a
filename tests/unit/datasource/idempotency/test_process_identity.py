"""Identities of processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.datasource.idempotency.process_identity import is_alive, process_identity


class ProcessIdentityTests(SynchronousTestCase):
    """Identities of processes."""

    def start(self) -> subprocess.Popen[bytes]:
        """Start a process that waits."""
        process = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def test_this_one(self) -> None:
        """This process is alive."""
        self.assertTrue(is_alive(process_identity(os.getpid())))

    def test_killed(self) -> None:
        """A killed process is not alive, even before its parent has waited for it."""
        process = self.start()
        owner = process_identity(process.pid)
        self.assertTrue(is_alive(owner))
        process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.assertFalse(is_alive(owner))
        process.wait()
        self.assertFalse(is_alive(owner))
        self.assertFalse(is_alive(process_identity(process.pid)))

    def test_another_with_its_pid(self) -> None:
        """Another process with the same pid has another identity, also after a reboot."""
        boot, pid, started = process_identity(os.getpid()).split(":")
        self.assertFalse(is_alive(f"{boot}:{pid}:{int(started) - 1}"))
        self.assertFalse(is_alive(f"before:{pid}:{started}"))
        self.assertFalse(is_alive(f"{boot}:{pid}:"))

    def test_name_with_brackets(self) -> None:
        """The name of a program may contain the delimiter of its field."""
        process = subprocess.Popen(
            ["bash", "-c", "printf ') Z 0' > /proc/self/comm; read line"], stdin=subprocess.PIPE
        )
        self.addCleanup(process.communicate)
        while b") Z 0" not in (text := _stat(process.pid)):
            self.assertIsNone(process.poll(), text)
        self.assertTrue(is_alive(process_identity(process.pid)))


def _stat(pid: int) -> bytes:
    with open(f"/proc/{pid}/stat", "rb") as file:
        return file.read()
