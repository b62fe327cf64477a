"""The CPU time of all workers that a service has had."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["CpuTotals"]


class CpuTotals:
    """Adds up CPU times over workers that end.

    What a worker has used after the last scrape before its end is missing.
    """

    def __init__(self) -> None:
        self._totals: dict[str, float] = {}
        self._last: dict[str, dict[int, float]] = {}

    def add(self, service: str, workers: Iterable[tuple[int, float]]) -> float:
        """Take the CPU times of the present workers of a service.

        :param workers: their pids, and their CPU times in seconds.
        :returns: the CPU time of the service, in seconds; it never goes back.
        """
        before, present = self._last.get(service, {}), dict(workers)
        used = sum(_used(before.get(pid, 0.0), seconds) for pid, seconds in present.items())
        self._last[service] = present
        self._totals[service] = total = self._totals.get(service, 0.0) + used
        return total

    def keep(self, services: Iterable[str]) -> None:
        """Forget the other services."""
        for name in {*self._totals} - {*services}:
            del self._totals[name], self._last[name]


def _used(before: float, now: float) -> float:
    # Less than before: another process has got this pid.
    return now - before if now >= before else now
