"""The ticks of a cron expression."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from unixsvc.errors import ConfigError
from unixsvc.schedules.moment import ROUNDING, Moment

__all__ = ["CronTicks", "check_cron"]

# A clock that was set back by less than this does not repeat ticks, as in Debian's cron. In seconds.
_CLOCK_CORRECTION: Final = 3 * 3600.0


class CronTicks:
    """Ticks at the times of a cron expression.

    Around a change to or from summer time it follows Debian's cron (see cronsim): a time that does not exist
    is made up for directly after the change, and one that exists twice counts once, unless the expression has
    a ``*`` for the minute or the hour.
    """

    def __init__(self, expression: str, timezone: str, start: Moment) -> None:
        self._expression = expression
        self._zone = ZoneInfo(timezone)
        self._seen = self._next = start.wall
        self._restart(start.wall)

    def take(self, now: Moment, limit: int) -> tuple[list[float], int]:
        """Take the ticks that are due; after more than the limit, go on from now without counting them."""
        if now.wall < self._seen - _CLOCK_CORRECTION:
            self._restart(now.wall)
        self._seen = now.wall
        due: list[float] = []
        while self._next <= now.wall + ROUNDING:
            if len(due) == limit:
                self._restart(now.wall)
                break
            due.append(self._next)
            self._advance()
        return due, 0

    def next_at(self) -> float:
        """The wall time of the next tick."""
        return self._next

    def until_next(self, now: Moment) -> float:
        """The seconds until the next tick, if the clock is not set meanwhile."""
        return self._next - now.wall

    def _restart(self, wall: float) -> None:
        self._seen = wall
        self._times: Iterator[datetime] = CronSim(self._expression, datetime.fromtimestamp(wall, self._zone))
        self._advance()

    def _advance(self) -> None:
        following = next(self._times, None)
        self._next = math.inf if following is None else following.timestamp()


def check_cron(expression: str, timezone: str, where: str) -> None:
    """Check that a cron expression has a match.

    :param where: for the error message.
    :raises ConfigError: if it has none, or if the time zone is unknown.
    """
    try:
        zone = ZoneInfo(timezone)
    except (LookupError, OSError, ValueError):
        remedy = "use an IANA name such as Europe/Berlin; on a machine without time zones install tzdata"
        raise ConfigError(where, f"there is no time zone {timezone!r}", remedy) from None
    try:
        next(CronSim(expression, datetime.now(zone)))
    except CronSimError as error:
        remedy = "it has the fields minute, hour, day of month, month, day of week"
        raise ConfigError(where, f"{expression!r} is no cron expression: {error}", remedy) from None
    except StopIteration:
        raise ConfigError(where, f"{expression!r} has no match in the next 50 years") from None
