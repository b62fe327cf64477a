"""Repeats a number of calls concurrently and counts them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Final

__all__ = ["BATCH", "CONCURRENCY", "CallCounter", "check_result"]

BATCH: Final = 50  # calls that are counted together, so that the counting is no part of their cost
CONCURRENCY: Final = 50
_WARM_UP: Final = 0.2  # seconds that are not counted


class CallCounter:
    """Counts calls between the warm-up and the end of the time.

    :param seconds: for which calls are counted.
    """

    def __init__(self, seconds: float) -> None:
        self._begin = time.perf_counter() + _WARM_UP
        self._end = self._begin + seconds
        self._cpu = 0.0
        self._counted = self._all = 0

    async def call_repeatedly(self, call: Callable[[], Awaitable[object]]) -> None:
        """Make one call after another until the time is over."""
        while True:
            await call()
            if self.count():
                return

    def count(self, calls: int = 1) -> bool:
        """Count calls that have been made.

        :returns: whether the time is over.
        """
        now = time.perf_counter()
        self._all += calls
        if now <= self._begin:
            return False
        self._cpu = self._cpu or time.process_time()
        self._counted += calls
        return now > self._end

    def write_result(self) -> None:
        """Write the result to standard output."""
        elapsed = time.perf_counter() - self._begin
        own = (time.process_time() - self._cpu) / elapsed
        sys.stdout.write(json.dumps({"value": self._counted / elapsed, "own": own, "count": self._all}))


def check_result(result: object) -> None:
    """Check that a result is user 7.

    :raises ValueError: if it is not.
    """
    if result != {"id": 7, "name": "user 7"}:
        raise ValueError(f"unexpected result: {result!r}")
