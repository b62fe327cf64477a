"""Samples and sizes."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType

from twisted.trial.unittest import SynchronousTestCase

from unixsvc.service.inspection.memory import growth, parse_rollup
from unixsvc.service.inspection.profile import Samples

_ROLLUP = """55d0-7ffd ---p 00000000 00:00 0    [rollup]
Rss:               20480 kB
Pss:               10240 kB
Private_Clean:      1024 kB
Private_Dirty:      2048 kB
"""


def frame() -> FrameType:
    """A frame of this function."""
    return sys._getframe()


class SampleTests(SynchronousTestCase):
    """Processor time by stack."""

    def test_time(self) -> None:
        """The time since the last sample counts for the present stack; a thread that waits has none."""
        samples, busy = Samples(), frame()
        idle = (lambda: sys._getframe())()
        for used in (1_000, 5_000, 5_500):
            samples.add({1: busy, 2: idle}, {1: used, 2: 77})
        samples.add({1: busy, 2: idle}, {1: used, 2: 70})  # clocks are not read at the same time
        [(stack, nanoseconds)] = samples.stacks.items()
        self.assertEqual((nanoseconds, samples.count), (4_500, 4))
        self.assertTrue(stack[-1].startswith("frame (service/test_measurements.py:"), stack[-1])
        self.assertIn("SampleTests.test_time", stack[-2])


class SizeTests(SynchronousTestCase):
    """The memory of a process."""

    def test_rollup(self) -> None:
        """The sizes of the kernel are in bytes; what is private is this process's own."""
        mib = 2**20
        self.assertEqual(parse_rollup(_ROLLUP), {"rss": 20 * mib, "pss": 10 * mib, "uss": 3 * mib})

    def test_growth(self) -> None:
        """Types with the greatest growth come first, then those with the most objects."""
        found = growth(Counter(a=5, b=50, c=9), Counter(a=15, b=50, c=7, d=1))
        self.assertEqual(
            [(each.name, each.growth) for each in found], [("a", 10), ("d", 1), ("b", 0), ("c", -2)]
        )
