"""Measurements of processes by ``/proc``."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.soak.fit import Life

__all__ = ["QUANTITIES", "Quantity", "Sample", "Samples", "measure"]

_FIELDS: Final = {"Rss": "rss", "Pss": "pss", "Anonymous": "own", "Swap": "swap"}
# Of a short life, the first part of it is the warm-up.
_SETTLING: Final = 0.4


class Sample(Struct, frozen=True):
    """One process at one time.

    :ivar time: in minutes.
    :ivar own: memory that is no copy of a file, in kB, with what is swapped: what the process has allocated.
    :ivar rss: resident memory, in kB.
    :ivar pss: the same, with the share of what other processes use as well.
    """

    time: float
    own: float
    rss: float
    pss: float
    descriptors: int
    threads: int


class Quantity(Struct, frozen=True):
    """What has to stay flat.

    :ivar name: the field of :class:`Sample`.
    :ivar title: its name with its unit.
    :ivar limit: the slope that counts as flat, a minute.
    :ivar short_limit: the same for a process that lives for a few minutes only.
    """

    name: str
    title: str
    limit: float
    short_limit: float


QUANTITIES: Final = (
    Quantity("own", "memory, kB", 64.0, 2048.0),
    Quantity("descriptors", "descriptors", 0.5, 64.0),
    Quantity("threads", "threads", 0.2, 8.0),
)


class Samples:
    """The measurements of all processes, by the role of a process and its pid.

    :param warm_up: the time after the start of a process that does not count, in minutes.
    """

    def __init__(self, warm_up: float) -> None:
        self._warm_up = warm_up
        self._lives: dict[str, dict[int, list[Sample]]] = defaultdict(lambda: defaultdict(list))

    def add(self, role: str, pid: int, sample: Sample) -> None:
        """Add one."""
        self._lives[role][pid].append(sample)

    @property
    def roles(self) -> list[str]:
        """All roles, in order."""
        return sorted(self._lives)

    def lives(self, role: str, name: str) -> list[Life]:
        """One quantity of the processes of a role, after their warm-up."""
        return [
            [(each.time, float(getattr(each, name))) for each in self._settled(life)]
            for life in self._lives[role].values()
        ]

    def longest(self, role: str) -> float:
        """How long the process of a role has lived that has lived longest, in minutes."""
        return max(life[-1].time - life[0].time for life in self._lives[role].values())

    def last(self, role: str) -> Sample:
        """The last one."""
        return max((life[-1] for life in self._lives[role].values()), key=lambda each: each.time)

    def _settled(self, life: list[Sample]) -> Iterable[Sample]:
        begin = life[0].time
        warm_up = min(self._warm_up, _SETTLING * (life[-1].time - begin))
        return (each for each in life if each.time >= begin + warm_up)


def measure(pid: int, time: float) -> Sample | None:
    """Measure a process; None if it has ended.

    :param time: in minutes.
    """
    found: dict[str, float] = {}
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in _FIELDS:
                found[_FIELDS[name]] = float(value.split()[0])
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        threads = len(os.listdir(f"/proc/{pid}/task"))
    except (OSError, ValueError):  # it ends just now
        return None
    if not found:
        return None
    own = found["own"] + found.get("swap", 0.0)
    return Sample(time, own, found["rss"], found["pss"], descriptors, threads)
