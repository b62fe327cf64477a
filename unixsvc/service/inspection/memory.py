"""The memory of this process: how much, what allocates it, and which objects become more."""

from __future__ import annotations

import gc
import tracemalloc
from collections import Counter
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from unixsvc.service.inspection.model import Allocation, MemoryUse, TypeCount

__all__ = ["growth", "measure", "parse_rollup"]

_SHOWN: Final = 20
_KIB: Final = 1024


async def measure(reactor: IReactorTime, seconds: float) -> MemoryUse:
    """Watch allocations for a time.

    Each allocation costs more meanwhile. Objects are counted at the beginning and at the end, which blocks
    the event loop: longer if there are many.
    """
    before = _count_types()
    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    try:
        first = tracemalloc.take_snapshot()
        await deferLater(reactor, seconds)
        changes = tracemalloc.take_snapshot().compare_to(first, "lineno")
    finally:
        if not traced:
            tracemalloc.stop()
    own = tracemalloc.__file__
    allocations = [
        Allocation(
            f"{each.traceback[0].filename}:{each.traceback[0].lineno}", each.size_diff, each.count_diff
        )
        for each in sorted(changes, key=lambda each: -each.size_diff)
        if each.size_diff > 0 and each.traceback[0].filename != own
    ]
    with open("/proc/self/smaps_rollup") as file:
        sizes = parse_rollup(file.read())
    return MemoryUse(seconds, **sizes, allocations=allocations[:_SHOWN], types=growth(before, _count_types()))


def parse_rollup(text: str) -> dict[str, int]:
    """The sizes of ``/proc/PID/smaps_rollup`` in bytes: resident, proportional, and this process's own."""
    found = {
        name: int(rest.split()[0]) * _KIB
        for name, _, rest in (line.partition(":") for line in text.splitlines()[1:])
    }
    own = sum(found.get(name, 0) for name in ("Private_Clean", "Private_Dirty", "Private_Hugetlb"))
    return {"rss": found.get("Rss", 0), "pss": found.get("Pss", 0), "uss": own}


def growth(before: Counter[str], after: Counter[str]) -> list[TypeCount]:
    """The types with the greatest growth, then those with the most objects."""
    ordered = sorted(after, key=lambda name: (before[name] - after[name], -after[name], name))
    return [TypeCount(name, after[name], after[name] - before[name]) for name in ordered[:_SHOWN]]


def _count_types() -> Counter[str]:
    gc.collect()
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
