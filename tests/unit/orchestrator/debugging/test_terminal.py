"""Tests of terminals that callers of the control API name."""

from __future__ import annotations

import os

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.errors import Conflict
from unixsvc.orchestrator.debugging.terminal import LentTerminal, open_terminal


class TerminalTests(SynchronousTestCase):
    """A pseudo-terminal."""

    def setUp(self) -> None:
        """Make one."""
        for each in (ends := os.openpty()):
            self.addCleanup(os.close, each)
        self.path, self.stat = os.ttyname(ends[1]), os.fstat(ends[1])

    def test_open(self) -> None:
        """The terminal is opened by its path."""
        descriptor = open_terminal(LentTerminal(self.path, self.stat.st_dev, self.stat.st_ino))
        self.addCleanup(os.close, descriptor)
        self.assertEqual(os.ttyname(descriptor), self.path)
        self.assertFalse(os.get_inheritable(descriptor))

    def test_another(self) -> None:
        """A path that leads to another terminal, as in another container, is refused, and not kept open."""
        before = os.listdir("/proc/self/fd")
        wrong = LentTerminal(self.path, self.stat.st_dev + 1, self.stat.st_ino)
        error = self.assertRaises(Conflict, open_terminal, wrong)
        self.assertIn("is another terminal", str(error.detail))
        self.assertEqual(os.listdir("/proc/self/fd"), before)

    def test_gone(self) -> None:
        """A terminal that does not exist is named."""
        error = self.assertRaises(Conflict, open_terminal, LentTerminal("/dev/pts/99999", 1, 1))
        self.assertIn("/dev/pts/99999 cannot be opened: No such file", str(error.detail))

    def test_paths(self) -> None:
        """Only pseudo-terminals can be named."""
        for path in "/dev/tty1", "/dev/pts/../sda", "/etc/passwd":
            data = {"path": path, "device": 1, "inode": 1}
            self.assertRaises(msgspec.ValidationError, msgspec.convert, data, LentTerminal)
