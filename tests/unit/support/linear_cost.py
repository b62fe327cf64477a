"""Tests that the cost of handling an input grows no faster than the input.

CPU time of the thread is measured, not wall-clock time, so that a busy machine does not matter. A call that
costs as little as a linear function passes at once. Others are measured again, also with a shorter input, and
fail only if the ratio of both costs is far from that of the lengths.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

__all__ = ["LENGTH", "PATTERNS", "LinearCostTestCase"]

LENGTH: Final = 16_384
_SHORTER: Final = 8  # times
# 16 kB cost 0.1 to 1 ms, with any pattern on any route; the expression of a quadratic search took 170 ms.
_CERTAINLY_LINEAR: Final = 0.02  # seconds
_ATTEMPTS: Final = 5

PATTERNS: Final = (
    # Texts that messages of validation contain around what they quote.
    " - at `", " - at `key` in `$", "'",
    # Syntax of JSON, paths, queries, forms and headers, and what looks like the start of it.
    '"', "\\", "[", "{", "[],", '{"a":', "/", "%41", "%4", "?", "&", "=", "a=&", ";", ";q=", ",", " ", "\t",
    "; charset", ';name="', "--", ":", ".",
    # Numbers, and letters of different lengths.
    "1", "1_", "1e", "1.", "a", "Z ", "é", "日", "\u0661", "\x00",
)  # fmt: skip
"""What is repeated in the inputs."""


class LinearCostTestCase(SynchronousTestCase):
    """A test case that measures costs."""

    def assert_linear(
        self, handle: Callable[[str], object], pattern: str, what: str, length: int = LENGTH
    ) -> None:
        """The cost of a function grows no faster than its argument.

        :param pattern: what the arguments repeat.
        :param what: the input, for the failure.
        :param length: of the longest argument.
        """
        text = repeated(pattern, length)
        long = _seconds(handle, text)
        if long < _CERTAINLY_LINEAR:
            return
        long = min(long, *(_seconds(handle, text) for _ in range(_ATTEMPTS)))
        shorter = repeated(pattern, length // _SHORTER)
        short = min(_seconds(handle, shorter) for _ in range(_ATTEMPTS))
        self.assertLess(
            long, 3 * _SHORTER * short, f"{pattern!r} as {what}: {short:.4f} s, then {long:.4f} s"
        )


def repeated(pattern: str, length: int) -> str:
    """Repeat a text up to a length."""
    return (pattern * (length // len(pattern) + 1))[:length]


def _seconds(handle: Callable[[str], object], text: str) -> float:
    started = time.thread_time()
    handle(text)
    return time.thread_time() - started
