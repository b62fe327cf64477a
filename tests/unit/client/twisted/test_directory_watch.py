"""Waiting for a change in a directory, in a Twisted program."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from unixsvc.client.twisted.directory_watch import wait_for_change


class DirectoryWatchTests(TestCase):
    def setUp(self) -> None:
        """Make a directory."""
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(os.rmdir, self.folder)

    async def notices(self, folder: Path, seconds: float, change: Callable[[], object]) -> bool:
        """True if a change ends the wait before the time is over."""
        started = time.monotonic()
        waiting = wait_for_change(str(folder), seconds, reactor)
        change()
        await waiting
        return time.monotonic() - started < seconds

    async def test_changes(self) -> None:
        """Creating, renaming and removing a file end the wait; writing to it does not."""
        one, other = self.folder / "one", self.folder / "other"
        self.assertTrue(await self.notices(self.folder, 10, one.touch))
        self.assertTrue(await self.notices(self.folder, 10, lambda: one.rename(other)))
        self.assertFalse(await self.notices(self.folder, 0.05, lambda: other.write_text("x")))
        self.assertTrue(await self.notices(self.folder, 10, other.unlink))

    async def test_nothing(self) -> None:
        """Without a change, or if the directory does not exist, it waits for the whole time."""
        for folder in self.folder, self.folder / "nowhere":
            self.assertFalse(await self.notices(folder, 0.05, lambda: None))

    async def test_descriptors(self) -> None:
        """The descriptor is closed in any case, also after cancellation."""
        await wait_for_change(str(self.folder), 0.01, reactor)
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(5):
            await wait_for_change(str(self.folder), 0.01, reactor)
        cancelled = wait_for_change(str(self.folder), 10, reactor)
        cancelled.addErrback(lambda failure: None)
        cancelled.cancel()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
