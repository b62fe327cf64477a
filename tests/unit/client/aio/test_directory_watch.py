"""Waiting for a change in a directory: on asyncio and uvloop, and in a thread."""

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

from unixsvc.client.aio import directory_watch
from unixsvc.client.discovery import inotify
from unixsvc.client.discovery.inotify import wait_for_change, watch

_LONG = 10.0  # seconds; only waited for if the test fails


def descriptors() -> int:
    """The number of open inotify descriptors; other tests may leave sockets to the garbage collector."""
    gc.collect()
    links = [os.path.join("/proc/self/fd", each) for each in os.listdir("/proc/self/fd")]
    return sum(os.path.islink(each) and os.readlink(each) == "anon_inode:inotify" for each in links)


class DirectoryWatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        """Make a directory."""
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)

    def seconds(
        self, wait: Callable[[str, float], object], seconds: float, folder: Path | None = None
    ) -> float:
        """How long it waits if a file is created soon."""
        timer = threading.Timer(0.05, (self.folder / f"new {time.monotonic()}").touch)
        timer.start()
        started = time.monotonic()
        wait(str(folder or self.folder), seconds)
        waited = time.monotonic() - started
        timer.join()
        return waited

    def waits(self) -> list[Callable[[str, float], object]]:
        """The functions of all clients."""
        return [
            lambda *given: asyncio.run(directory_watch.wait_for_change(*given)),
            lambda *given: uvloop.run(directory_watch.wait_for_change(*given)),
            wait_for_change,
        ]

    def test_changes(self) -> None:
        """A new file ends the wait at once."""
        for wait in self.waits():
            self.assertTrue(0.04 < self.seconds(wait, _LONG) < 1.0)

    def test_nothing(self) -> None:
        """Without a change, or if the directory cannot be watched, it waits for the whole time."""
        for wait in self.waits():
            for folder in self.folder / "nowhere", Path(tempfile.mkdtemp(dir=self.folder)):
                self.assertTrue(0.2 <= self.seconds(wait, 0.2, folder) < 1.0)

    def test_no_inotify(self) -> None:
        """Without inotify, it waits for the whole time."""

        class Nothing:
            """A C library without inotify."""

        import ctypes

        self.patch(ctypes, "CDLL", lambda *_, **__: Nothing())
        self.assertRaises(OSError, watch, str(self.folder))
        for wait in self.waits():
            self.assertTrue(0.2 <= self.seconds(wait, 0.2) < 1.0)

    def test_descriptors(self) -> None:
        """The descriptor is closed in any case, also after cancellation."""

        async def cancelled() -> None:
            task = asyncio.create_task(directory_watch.wait_for_change(str(self.folder), _LONG))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.wait([task])

        for wait in self.waits():
            before = descriptors()
            wait(str(self.folder), 0.01)
            self.seconds(wait, _LONG)
            self.assertEqual(descriptors(), before)
        asyncio.run(cancelled())
        self.assertRaises(OSError, inotify.watch, str(self.folder / "nowhere"))
        self.assertEqual(descriptors(), before)
