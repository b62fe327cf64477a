"""What happens in a directory is noticed without Twisted, too: on an asyncio loop, and by a thread."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvloop
from twisted.trial.unittest import SynchronousTestCase

from unixsvc.client import inotify
from unixsvc.client.aio import directory_watch
from unixsvc.client.inotify import wait_for_change, watch

_LONG = 10.0  # seconds; only ever waited for when something is broken


def descriptors() -> int:
    """The number of open inotify descriptors; other tests may leave sockets to the garbage collector."""
    gc.collect()
    links = [os.path.join("/proc/self/fd", each) for each in os.listdir("/proc/self/fd")]
    return sum(os.path.islink(each) and os.readlink(each) == "anon_inode:inotify" for each in links)


class NoticingTests(SynchronousTestCase):
    """With the kernel's help, and without."""

    def setUp(self) -> None:
        """Have a directory."""
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def seconds(
        self, wait: Callable[[str, float], object], seconds: float, folder: Path | None = None
    ) -> float:
        """How long is waited, where a file appears soon."""
        timer = threading.Timer(0.05, (self.folder / f"new {time.monotonic()}").touch)
        timer.start()
        suspended = time.monotonic()
        wait(str(folder or self.folder), seconds)
        waited = time.monotonic() - suspended
        timer.join()
        return waited

    def each(self) -> list[Callable[[str, float], object]]:
        """All ways to wait."""
        return [
            lambda *given: asyncio.run(directory_watch.wait_for_change(*given)),
            lambda *given: uvloop.run(directory_watch.wait_for_change(*given)),
            wait_for_change,
        ]

    def test_changes(self) -> None:
        """A file that appears is noticed at once."""
        for wait in self.each():
            self.assertTrue(0.04 < self.seconds(wait, _LONG) < 1.0)

    def test_nothing(self) -> None:
        """Nothing is waited for until the time is over; so is what the kernel does not tell."""
        for wait in self.each():
            for folder in self.folder / "nowhere", Path(tempfile.mkdtemp(dir=self.folder)):
                self.assertTrue(0.2 <= self.seconds(wait, 0.2, folder) < 1.0)

    def test_no_help(self) -> None:
        """A kernel or a library without it is an OSError, after which the time decides."""

        class Nothing:
            """A library that has none of it."""

        import ctypes

        self.patch(ctypes, "CDLL", lambda *_, **__: Nothing())
        self.assertRaises(OSError, watch, str(self.folder))
        for wait in self.each():
            self.assertTrue(0.2 <= self.seconds(wait, 0.2) < 1.0)

    def test_nothing_left(self) -> None:
        """No descriptor is left behind, however it ended; also where nobody waits any more."""

        async def cancelled() -> None:
            task = asyncio.create_task(directory_watch.wait_for_change(str(self.folder), _LONG))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])

        for wait in self.each():
            before = descriptors()
            wait(str(self.folder), 0.01)
            self.seconds(wait, _LONG)
            self.assertEqual(descriptors(), before)
        asyncio.run(cancelled())
        self.assertRaises(OSError, inotify.watch, str(self.folder / "nowhere"))
        self.assertEqual(descriptors(), before)
