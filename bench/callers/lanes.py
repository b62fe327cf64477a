"""So many calls at a time, counted."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["LANES", "Count", "expect"]

LANES = 50
_WARM = 0.2  # seconds that are not counted


class Count:
    """The calls of all lanes, from when they are warm until the time is over.

    :param seconds: for which they are counted.
    """

    def __init__(self, seconds: float) -> None:
        self._begin = time.perf_counter() + _WARM
        self._end = self._begin + seconds
        self._cpu = 0.0
        self._calls = self._all = 0

    async def lane(self, call: Callable[[], Awaitable[Any]]) -> None:
        """Call, one call after the other."""
        while True:
            await call()
            now = time.perf_counter()
            self._all += 1
            if now > self._begin:
                self._cpu = self._cpu or time.process_time()
                self._calls += 1
                if now > self._end:
                    return

    def tell(self) -> None:
        """Write what came of it."""
        elapsed = time.perf_counter() - self._begin
        own = (time.process_time() - self._cpu) / elapsed
        told = {"value": self._calls / elapsed, "own": own, "count": self._all}
        sys.stdout.write(json.dumps(told))


def expect(answer: object) -> None:
    """It is user 7.

    :raises ValueError: if it is not.
    """
    if answer != {"id": 7, "name": "user 7"}:
        raise ValueError(f"a wrong answer: {answer!r}")
