from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.compare.segments import ROUNDS, instructions_per_request


class SegmentsTests(SynchronousTestCase):
    def test_cost_of_a_mark(self) -> None:
        """The cost of a mark, the lowest of several, is not part of the requests."""
        found = instructions_per_request([700, 500, 600], [10_500] * ROUNDS, 100)
        self.assertEqual(found, [100.0] * ROUNDS)

    def test_disturbed_segments(self) -> None:
        """Segments with a timer in them do not count, as long as a round has one without."""
        counted = [1000] * ROUNDS + [1900] * ROUNDS
        counted[0], counted[ROUNDS] = 1900, 1000
        self.assertEqual(instructions_per_request([0], counted, 10), [100.0] * ROUNDS)

    def test_rounds(self) -> None:
        """Segments belong to the rounds in turn, so that a slow change affects all rounds alike."""
        counted = [each for minute in range(4) for each in range(100 + minute, 100 + minute + ROUNDS)]
        self.assertEqual(
            instructions_per_request([0], counted, 1), [float(100 + number) for number in range(ROUNDS)]
        )
