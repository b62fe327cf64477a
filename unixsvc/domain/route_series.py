"""Where the replies of a route are counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

__all__ = ["UNCOUNTED", "CallerKey", "RouteSeries"]


CallerKey: TypeAlias = str | int | None
"""The name of a token, a uid, or None for a caller without either."""


class RouteSeries(dict[CallerKey, memoryview]):
    """The counters of one route: a row for each caller.

    A dictionary, as each request looks its row up.

    :param route: the method and the pattern; empty for requests without a route.
    :param add: returns the row of a caller that has none, and whether that row is its own; callers beyond a
        limit share one.
    """

    __slots__ = ("_add", "route")

    def __init__(self, route: str, add: Callable[[str, CallerKey], tuple[memoryview, bool]]) -> None:
        super().__init__()
        self.route = route
        self._add = add

    def __missing__(self, caller: CallerKey) -> memoryview:
        row, own = self._add(self.route, caller)
        if own:
            self[caller] = row
        return row


_SCRATCH: Final = memoryview(bytearray(4096)).cast("q")

UNCOUNTED: Final = RouteSeries("", lambda route, caller: (_SCRATCH, False))
"""For routes of a router whose replies are not counted by route."""
