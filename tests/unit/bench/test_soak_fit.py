"""Lines through measurements, and what they say about growth."""

from __future__ import annotations

import math
import random

from twisted.trial.unittest import SynchronousTestCase

from bench.soak.fit import Life, _quantile, fit


def line(slope: float, height: float = 0.0, *, noise: float = 0.0, count: int = 200, seed: int = 1) -> Life:
    """Measurements over ten minutes."""
    chance = random.Random(seed)  # noqa: S311  # no secret
    return [
        (at / count * 10, height + slope * at / count * 10 + chance.gauss(0, noise)) for at in range(count)
    ]


class FitTests(SynchronousTestCase):
    def test_exact(self) -> None:
        """The slope of a line is found, without an error."""
        found = fit([line(3, 70)])
        self.assertAlmostEqual(found.slope, 3)
        self.assertAlmostEqual(found.error, 0)
        self.assertEqual(found.measurements, 200)

    def test_constant(self) -> None:
        """What does not change is flat."""
        found = fit([line(0, 70)])
        self.assertEqual((found.slope, found.error, found.verdict(0.1)), (0, 0, "flat"))

    def test_noise(self) -> None:
        """Noise is no growth, and a slope within it is found all the same."""
        self.assertEqual(fit([line(0, noise=20)]).verdict(5), "flat")
        self.assertEqual(fit([line(10, noise=20)]).verdict(5), "grows")

    def test_confidence(self) -> None:
        """In about 95 of 100 runs the true slope is within the error."""
        found = [fit([line(2, noise=20, seed=seed)]) for seed in range(200)]
        within = sum(abs(each.slope - 2) <= each.error for each in found)
        self.assertGreater(within, 180)
        self.assertLess(within, 200)

    def test_lives(self) -> None:
        """Each process has its own height: that a new one begins lower hides no growth, and is none."""
        growing = [line(2, height, count=20) for height in (900, 500, 100)]
        self.assertAlmostEqual(fit(growing).slope, 2)
        self.assertAlmostEqual(fit([line(0, height) for height in (100, 500, 900)]).slope, 0)

    def test_too_few(self) -> None:
        """Too few measurements say nothing, neither that it grows nor that it is flat."""
        for lives in ([], [line(5, count=4)], [[(1.0, 2.0)] * 9]):
            found = fit(lives)
            self.assertEqual((found.error, found.verdict(1)), (math.inf, "unclear"))

    def test_correlated(self) -> None:
        """Measurements that depend on the one before count for less than independent ones."""
        chance = random.Random(1)  # noqa: S311  # no secret
        value, walk = 0.0, []
        for at in range(200):
            value = 0.9 * value + chance.gauss(0, 1)
            walk.append((at / 20, value))
        shuffled = [value for _, value in walk]
        chance.shuffle(shuffled)
        independent = [(at / 20, value) for at, value in enumerate(shuffled)]
        self.assertGreater(fit([walk]).error, 2 * fit([independent]).error)

    def test_quantile(self) -> None:
        """The quantiles are those of tables."""
        for freedom, known in (5, 2.571), (10, 2.228), (30, 2.042), (1000, 1.962):
            self.assertLess(abs(_quantile(freedom) - known), 0.03)
