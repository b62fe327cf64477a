"""The measurements of a soak, by process."""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from bench.soak.command import limit_of
from bench.soak.samples import QUANTITIES, Sample, Samples, measure


def sample(time: float, own: float) -> Sample:
    """A measurement."""
    return Sample(time, own, own + 1, own + 2, 10, 2)


class SamplesTests(SynchronousTestCase):
    def test_warm_up(self) -> None:
        """The first minutes of each process do not count; of a short life, its first two fifths."""
        samples = Samples(warm_up=3)
        for time in range(11):
            samples.add("old", 7, sample(time, time))
            if time >= 5:
                samples.add("new", 8, sample(time, 1))
        [old], [new] = samples.lives("old", "own"), samples.lives("new", "own")
        self.assertEqual((old[0], old[-1]), ((3, 3.0), (10, 10.0)))
        self.assertEqual([time for time, _ in new], [7, 8, 9, 10])

    def test_restart(self) -> None:
        """A worker that takes the place of another is a life of its own."""
        samples = Samples(warm_up=0)
        for time, pid in (0, 7), (1, 7), (2, 8), (3, 8), (4, 8):
            samples.add("worker", pid, sample(time, pid))
        self.assertEqual([len(life) for life in samples.lives("worker", "own")], [2, 3])
        self.assertEqual((samples.longest("worker"), samples.last("worker").own), (2, 8))

    def test_limit(self) -> None:
        """Processes that live for a few minutes only have another limit."""
        memory = QUANTITIES[0]
        self.assertEqual((limit_of(memory, 10), limit_of(memory, 1)), (memory.limit, memory.short_limit))


class MeasureTests(SynchronousTestCase):
    def test_itself(self) -> None:
        """A running process has memory, descriptors and threads."""
        before = measure(os.getpid(), 1.5)
        assert before is not None
        self.assertEqual(before.time, 1.5)
        self.assertGreater(before.rss, before.own)
        self.assertGreaterEqual(before.threads, 1)
        held, reader = bytearray(b"x" * 20_000_000), os.open(os.devnull, os.O_RDONLY)
        after = measure(os.getpid(), 2)
        os.close(reader)
        assert after is not None
        self.assertGreater(after.own - before.own, len(held) / 1024 * 0.9)
        self.assertEqual(after.descriptors - before.descriptors, 1)

    def test_ended(self) -> None:
        """One that has ended has no measurement."""
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        self.assertIsNone(measure(process.pid, 0))
