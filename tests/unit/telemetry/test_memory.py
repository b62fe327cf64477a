"""The memory use of this process."""

from __future__ import annotations

import mmap
import os
import re
import resource
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.memory import ResidentMemory

MIB = 1024 * 1024


class MemoryTests(SynchronousTestCase):
    """The result in comparison with other values of the kernel."""

    def setUp(self) -> None:
        """Look."""
        self.resident = ResidentMemory()
        self.addCleanup(self.resident.close)

    def test_bytes(self) -> None:
        """It is VmRSS of the kernel in bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert found
        self.assertLess(abs(self.resident() - int(found[1]) * 1024), 8 * MIB)

    def test_resident(self) -> None:
        """Touched memory counts, reserved memory does not; freed memory counts no more."""
        before = self.resident()
        with mmap.mmap(-1, 64 * MIB) as memory:
            self.assertLess(self.resident() - before, 16 * MIB)
            for at in range(0, len(memory), mmap.PAGESIZE):
                memory[at] = 1
            self.assertGreater(self.resident() - before, 48 * MIB)
        self.assertLess(self.resident() - before, 16 * MIB)

    def test_no_descriptors(self) -> None:
        """It works without free file descriptors."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
        self.assertRaises(OSError, open, "/proc/self/statm")
        self.assertGreater(self.resident(), MIB)

    def test_daemon(self) -> None:
        """A forked process measures itself, not its parent."""
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            ballast = b"x" * (256 * MIB)
            os.write(writing, b"%d %d" % (self.resident(), len(ballast)))
            os._exit(0)
        os.waitpid(pid, 0)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            self.assertGreater(int(pipe.read().split()[0]) - self.resident(), 128 * MIB)
