"""The histories of all slots of a pool."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Final

from unixsvc.orchestrator.pool.model import SlotHistory, WorkerView
from unixsvc.orchestrator.pool.policy import after_exit, after_refusal

__all__ = ["SlotHistories"]

# Minimum interval between log messages about starts that the kernel refuses, in seconds.
_LOG_INTERVAL: Final = 10.0


class SlotHistories:
    """How the workers of each slot have ended, and when the next one may start."""

    def __init__(self) -> None:
        self._by_slot: dict[int, SlotHistory] = {}
        self._refusal_logged = -_LOG_INTERVAL

    @property
    def by_slot(self) -> Mapping[int, SlotHistory]:
        """The histories, by slot; a slot without one has lost no worker."""
        return self._by_slot

    def clear(self) -> None:
        """Forget everything."""
        self._by_slot.clear()

    def worker_ended(self, worker: WorkerView, now: float) -> SlotHistory:
        """Add the end of a worker.

        :param worker: the worker before its end.
        :param now: the time of its end, in seconds.
        :returns: the history of its slot.
        """
        jitter = random.random()  # noqa: S311  # no secret
        history = after_exit(self._history(worker.slot), worker, now, jitter)
        self._by_slot[worker.slot] = history
        return history

    def start_refused(self, slot: int, now: float) -> bool:
        """Add a start that the kernel has refused for lack of resources.

        :returns: whether to log it.
        """
        self._by_slot[slot] = after_refusal(self._history(slot), now)
        if now - self._refusal_logged < _LOG_INTERVAL:
            return False
        self._refusal_logged = now
        return True

    def _history(self, slot: int) -> SlotHistory:
        return self._by_slot.get(slot, SlotHistory())
