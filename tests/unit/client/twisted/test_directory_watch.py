"""What happens in a directory is noticed."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from unixsvc.client.twisted.directory_watch import wait_for_change


class NoticingTests(TestCase):
    """With the kernel's help, and without."""

    def setUp(self) -> None:
        """Have a directory."""
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(os.rmdir, self.folder)

    async def noticed(self, folder: Path, seconds: float, change: Callable[[], object]) -> bool:
        """Whether something is noticed before the time is over."""
        suspended = time.monotonic()
        waiting = wait_for_change(str(folder), seconds, reactor)
        change()
        await waiting
        return time.monotonic() - suspended < seconds

    async def test_changes(self) -> None:
        """A file that appears, is moved, or goes; not one that is only written to."""
        one, other = self.folder / "one", self.folder / "other"
        self.assertTrue(await self.noticed(self.folder, 10, one.touch))
        self.assertTrue(await self.noticed(self.folder, 10, lambda: one.rename(other)))
        self.assertFalse(await self.noticed(self.folder, 0.05, lambda: other.write_text("x")))
        self.assertTrue(await self.noticed(self.folder, 10, other.unlink))

    async def test_nothing(self) -> None:
        """Nothing, and a directory that is not there, are waited for until the time is over."""
        for folder in self.folder, self.folder / "nowhere":
            self.assertFalse(await self.noticed(folder, 0.05, lambda: None))

    async def test_nothing_left(self) -> None:
        """No descriptor is left behind, however it ended; also where nobody waits any more."""
        await wait_for_change(str(self.folder), 0.01, reactor)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            await wait_for_change(str(self.folder), 0.01, reactor)
        cancelled = wait_for_change(str(self.folder), 10, reactor)
        cancelled.addErrback(lambda failure: None)
        cancelled.cancel()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
