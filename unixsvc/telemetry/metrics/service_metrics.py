"""Counts the replies of one worker."""

from __future__ import annotations

from math import floor
from typing import Final

from zope.interface import implementer

from unixsvc.domain.interfaces import IMetrics
from unixsvc.domain.latency_buckets import (
    BUCKET_TABLE,
    LARGE,
    OFFSET,
    SHIFT,
    TABLE_SIZE,
    UNITS,
    bucket_of,
)
from unixsvc.domain.message import Caller
from unixsvc.domain.route_series import CallerKey, RouteSeries
from unixsvc.telemetry.metrics.page import CALLS, CODE_WORDS, OTHER, OTHER_CODE, PageWriter
from unixsvc.telemetry.metrics.snapshot import MetricsSnapshot

__all__ = ["ServiceMetrics"]

# Callers that a worker counts separately.
_MAX_CALLERS: Final = 32
_NOBODY: Final = Caller()


@implementer(IMetrics)
class ServiceMetrics:
    """The metrics of one worker.

    :param page: has the counters; memory of this process if None.
    """

    def __init__(self, page: PageWriter | None = None) -> None:
        self._page = PageWriter() if page is None else page
        self._routes: dict[str, RouteSeries] = {}
        self._callers: set[CallerKey] = {OTHER}
        self.no_route = self.series("")

    def series(self, route: str) -> RouteSeries:
        """Return where the replies of a route are counted."""
        found = self._routes.get(route)
        if found is None:
            found = self._routes[route] = RouteSeries(route, self._add)
        return found

    def count(self, series: RouteSeries, caller: Caller, code: int, seconds: float) -> None:
        """Count a reply."""
        # The steps of _row_of(), without the cost of its call.
        grant = caller.grant
        if grant is not None:
            row = series[grant.name]
        else:  # the kernel is not asked only for this: a connection with one request would pay most for it
            peer = caller.known_peer
            row = series[None if peer is None else peer.uid]
        units = floor(seconds * UNITS)  # costs a third of int()
        if units < TABLE_SIZE:
            row[BUCKET_TABLE[units]] += 1
        elif units < LARGE:
            row[BUCKET_TABLE[units >> SHIFT] + OFFSET] += 1
        else:
            row[bucket_of(units)] += 1
        if code != 200:
            row[CODE_WORDS.get(code, OTHER_CODE)] += 1

    def recount(self, series: RouteSeries, caller: Caller, code: int) -> None:
        """Count a reply with another code than 200, with which it was counted already."""
        if code != 200:
            _row_of(series, caller)[CODE_WORDS.get(code, OTHER_CODE)] += 1

    def count_call(self, service: str, code: int, seconds: float) -> None:
        """Count a call to another service that has ended."""
        series = self.series(f"{CALLS}{service}")
        if series or not self._page.full:  # the row that the rest shares is one of requests
            self.count(series, _NOBODY, code, seconds)

    def count_wrong_token(self) -> None:
        """Count a wrong token."""
        self._page.add("wrong_tokens")

    def set_bytes(self, received: int, sent: int) -> None:
        """Set how many bytes clients have sent and received until now."""
        self._page.set("received", received)
        self._page.set("sent", sent)

    def clear(self) -> None:
        """Reset all counters."""
        self._page.clear()

    def snapshot(self) -> MetricsSnapshot:
        """Return the current values."""
        return self._page.read()

    def _add(self, route: str, caller: CallerKey) -> tuple[memoryview, bool]:
        """The row of a caller, and whether it is its own."""
        if caller not in self._callers:
            if len(self._callers) == _MAX_CALLERS:
                return self._routes[route][OTHER], False
            self._callers.add(caller)
        return self._page.add_row(route, f"uid:{caller}" if isinstance(caller, int) else caller or "")


def _row_of(series: RouteSeries, caller: Caller) -> memoryview:
    if caller.grant is not None:
        return series[caller.grant.name]
    return series[None if caller.known_peer is None else caller.known_peer.uid]
