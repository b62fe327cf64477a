"""How much memory there is of us."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.telemetry.memory import resident_memory

MIB = 1024 * 1024


class MemoryTests(SynchronousTestCase):
    """Against what the kernel says elsewhere, and what we do."""

    def test_bytes(self) -> None:
        """It is what the kernel has as VmRSS, in bytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path("/proc/self/status").read_text())
        assert found
        self.assertAlmostEqual(resident_memory(), int(found[1]) * 1024, delta=8 * MIB)

    def test_resident(self) -> None:
        """What is touched counts, what is only reserved does not; and it counts no longer once given back."""
        before = resident_memory()
        with mmap.mmap(-1, 64 * MIB) as memory:
            self.assertLess(resident_memory() - before, 16 * MIB)
            for at in range(0, len(memory), mmap.PAGESIZE):
                memory[at] = 1
            self.assertGreater(resident_memory() - before, 48 * MIB)
        self.assertLess(resident_memory() - before, 16 * MIB)
