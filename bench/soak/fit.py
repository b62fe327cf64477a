"""Lines through measurements, and what they say about growth. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import NormalDist, fmean
from typing import Final

from msgspec import Struct

__all__ = ["Fit", "Life", "fit"]

Life = Sequence[tuple[float, float]]
"""The measurements of one process: the time in minutes, and the value."""

_CONFIDENCE: Final = 0.95
_MAX_CORRELATION: Final = 0.95
_FEWEST: Final = 5  # measurements of a process that count


class Fit(Struct, frozen=True):
    """A line with the same slope through the measurements of several processes.

    :ivar slope: per minute.
    :ivar error: the true slope is within ``slope ± error``, with a confidence of 95 %; infinite if there are
        too few measurements.
    :ivar measurements: how many there are.
    """

    slope: float
    error: float
    measurements: int

    def verdict(self, limit: float) -> str:
        """``flat`` if the slope is at most a limit, ``grows`` if it is more, ``unclear`` if it may be both.

        :param limit: in units a minute.
        """
        if self.slope + self.error <= limit:
            return "flat"
        return "grows" if self.slope - self.error > limit else "unclear"


def fit(lives: Iterable[Life]) -> Fit:
    """Fit a line by least squares, with a height of its own for each process.

    Measurements that follow each other are alike, so they count for less than independent ones would: the
    standard error grows with the correlation of successive residuals, as for an autoregressive process of
    first order.
    """
    centred = [_centred(life) for life in lives if len(life) >= _FEWEST]
    count = sum(map(len, centred))
    spread = sum(time * time for life in centred for time, _ in life)
    if not spread:
        return Fit(0.0, math.inf, count)
    slope = sum(time * value for life in centred for time, value in life) / spread
    residuals = [[value - slope * time for time, value in life] for life in centred]
    squares = sum(each * each for life in residuals for each in life)
    if not squares:
        return Fit(slope, 0.0, count)
    products = sum(first * second for life in residuals for first, second in pairwise(life))
    correlation = min(max(products / squares, 0.0), _MAX_CORRELATION)
    inflation = (1 + correlation) / (1 - correlation)
    freedom = count - len(centred) - 1
    error = math.sqrt(squares / freedom / spread * inflation)
    return Fit(slope, error * _quantile(max(freedom / inflation, 2.0)), count)


def _centred(life: Life) -> list[tuple[float, float]]:
    time, value = fmean(time for time, _ in life), fmean(value for _, value in life)
    return [(each - time, found - value) for each, found in life]


def _quantile(freedom: float) -> float:
    """That of Student's distribution for both sides, by the first terms of its expansion.

    Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5.
    """
    z = NormalDist().inv_cdf((1 + _CONFIDENCE) / 2)
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / freedom + second / freedom**2
