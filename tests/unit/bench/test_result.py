from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from bench.compare.result import Comparison, compare, describe_excess, exceeding


def _judged(load: str, base: float, head: float) -> Comparison:
    return compare(load, "instructions", "", [base], [head], judged=True)


class CompareTests(SynchronousTestCase):
    def test_medians(self) -> None:
        """The ratio is that of the medians, so that one disturbed round does not count."""
        comparison = compare("load", "CPU", "µs", [10.0, 90.0, 11.0], [22.0, 21.0, 23.0])
        self.assertEqual((comparison.base, comparison.head), (11.0, 22.0))
        self.assertEqual(comparison.ratio, 2.0)

    def test_spread(self) -> None:
        """The spread has the lowest and the highest ratio of two rounds of one number."""
        comparison = compare("load", "CPU", "µs", [10.0, 20.0, 40.0], [11.0, 20.0, 36.0])
        self.assertAlmostEqual(comparison.lowest, 0.9)
        self.assertAlmostEqual(comparison.highest, 1.1)

    def test_different_numbers_of_rounds(self) -> None:
        """Rounds belong together; one without the other is an error."""
        self.assertRaises(ValueError, compare, "load", "CPU", "µs", [1.0, 1.0], [1.0])

    def test_no_round(self) -> None:
        """Without a round there is no ratio."""
        self.assertRaises(ValueError, compare, "load", "CPU", "µs", [], [])

    def test_nothing_measured(self) -> None:
        """A base of 0 has no ratio, and a head of 0 is no gain but a failed measurement."""
        self.assertRaises(ValueError, compare, "load", "CPU", "µs", [0.0], [1.0])
        self.assertRaises(ValueError, compare, "load", "CPU", "µs", [1.0], [0.0])


class ExceedingTests(SynchronousTestCase):
    def test_limit(self) -> None:
        """A ratio at the limit is accepted; one above it is not."""
        accepted, rejected = _judged("accepted", 1000, 1030), _judged("rejected", 1000, 1031)
        self.assertEqual(exceeding([accepted, rejected], 3.0), [rejected])

    def test_highest_first(self) -> None:
        """The worst load comes first, as it is the one to look at."""
        found = exceeding([_judged("bad", 100, 110), _judged("worse", 100, 120)], 3.0)
        self.assertEqual([each.load for each in found], ["worse", "bad"])

    def test_not_judged(self) -> None:
        """CPU time is shown but not judged, as it is not repeatable."""
        self.assertEqual(exceeding([compare("load", "CPU", "µs", [1.0], [2.0])], 3.0), [])

    def test_less(self) -> None:
        """Fewer instructions are accepted, however many."""
        self.assertEqual(exceeding([_judged("load", 100, 1)], 3.0), [])

    def test_line(self) -> None:
        """One line names the base, the limit, and each load with its increase."""
        found = [_judged("HTTP GET", 1000, 1052), _judged("socket", 1000, 1040)]
        line = describe_excess(found, "main (1234567)", 3.0)
        self.assertEqual(
            line,
            "more instructions than main (1234567), above the limit of +3 %: HTTP GET +5.2%, socket +4.0%",
        )
