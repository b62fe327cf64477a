"""The slowest and the failed calls of the last minutes, for all open pages together."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

from unixsvc.orchestrator.inspection.interfaces import EndedList, IInspector

__all__ = ["EndedCalls", "RecentCalls", "Topic"]

Topic: TypeAlias = Literal["slowest", "failed"]
# Pages that ask within this time get the same answer, in seconds: then the workers are asked once.
_SHARED: Final = 2.0


class EndedCalls(EndedList, frozen=True, kw_only=True):
    """The calls.

    :ivar time: when the workers were asked, in seconds since 1970.
    """

    time: float


class RecentCalls:
    """Asks the workers, which keep these calls anyway, and only when a page wants to know.

    :param now: the time in seconds since 1970.
    """

    def __init__(self, inspector: IInspector, now: Callable[[], float] = time.time) -> None:
        self._inspector = inspector
        self._now = now
        self._answers: dict[tuple[Topic, str], EndedCalls] = {}

    async def find(self, topic: Topic, service: str = "") -> EndedCalls:
        """The slowest calls, the slowest first; or those that have failed, the latest first.

        :param service: empty for all.
        :raises unixsvc.errors.NotFound: if there is no such service.
        """
        now = self._now()
        self._answers = {key: each for key, each in self._answers.items() if 0 <= now - each.time < _SHARED}
        if (topic, service) not in self._answers:
            found = await self._inspector.ended(topic, service)
            self._answers[topic, service] = EndedCalls(found.requests, found.silent, time=now)
        return self._answers[topic, service]
