"""The slowest and the failed requests of the last minutes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from heapq import heappush, heapreplace
from typing import Final

from msgspec import Struct

from unixsvc.domain.message import Request
from unixsvc.domain.path_prefix import HEALTH_ROUTES
from unixsvc.domain.trace_context import TRACEPARENT, is_sampled, trace_ids

__all__ = ["NotableRequests", "NotedRequest", "caller_of"]

_KEPT: Final = 20
_PERIOD: Final = 60.0  # seconds
_PERIODS: Final = 5
_SHARED: Final = "default"  # the name of the token that all have
_LONGEST_PATH: Final = 500  # characters


class NotedRequest(Struct, frozen=True):
    """A request that has ended.

    :ivar ended: when, in seconds since 1970.
    :ivar seconds: how long it has taken.
    :ivar route: the method and the pattern of its route; empty if it has none.
    :ivar caller: as in ``unixsvc ps``.
    :ivar trace_id: that of its trace, if that is recorded; empty otherwise.
    """

    id: str
    ended: float
    seconds: float
    code: int
    method: str
    path: str
    route: str = ""
    caller: str = ""
    trace_id: str = ""


class NotableRequests:
    """Keeps the 20 slowest requests of each of the last five minutes, and the 20 that have failed last.

    Most requests need one comparison with :attr:`slow_from`, which rises with the requests of a minute.

    :param now: seconds since 1970.
    :ivar slow_from: a request that has taken at least this time is to be noted, in seconds.
    """

    __slots__ = ("_failed", "_now", "_number", "_period_ends", "_periods", "slow_from")

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._failed: deque[NotedRequest] = deque(maxlen=_KEPT)
        self._periods: deque[list[tuple[float, int, NotedRequest]]] = deque([[]], maxlen=_PERIODS)
        self._period_ends = now() + _PERIOD
        self._number = 0
        self.slow_from = 0.0

    def note(self, request: Request, route: str, code: int, seconds: float, *, lasting: bool = False) -> None:
        """Keep a request that has failed, or is one of the slowest; health checks are none.

        :param lasting: whether it is a stream. That lasts as long as its reader wants, as a WebSocket does,
            and is not slow.
        """
        if route in HEALTH_ROUTES:
            return
        self.check_time()
        noted = NotedRequest(
            request.request_id,
            self._now(),
            seconds,
            code,
            request.method,
            request.path[:_LONGEST_PATH],
            route,
            caller_of(request),
            _trace_of(request),
        )
        if code >= 500:
            self._failed.append(noted)
        if seconds >= self.slow_from and not lasting and request.channel is None:
            self._number += 1  # of two with the same time, the requests are not compared
            entry = seconds, self._number, noted
            slowest = self._periods[-1]
            if len(slowest) < _KEPT:
                heappush(slowest, entry)
            else:
                heapreplace(slowest, entry)
            if len(slowest) == _KEPT:
                self.slow_from = slowest[0][0]

    def check_time(self) -> None:
        """Begin another minute if it is time."""
        now = self._now()
        while now >= self._period_ends:
            skipped = int((now - self._period_ends) / _PERIOD)
            for _ in range(min(skipped + 1, _PERIODS)):
                self._periods.append([])
            self._period_ends += (skipped + 1) * _PERIOD
            self.slow_from = 0.0

    def clear(self) -> None:
        """Forget all requests."""
        self._failed.clear()
        self._periods[-1].clear()
        self.slow_from = 0.0

    def slowest(self) -> list[NotedRequest]:
        """The slowest of the last minutes, the slowest first."""
        self.check_time()
        found = [entry for period in self._periods for entry in period]
        return [noted for _, _, noted in sorted(found, key=lambda each: -each[0])[:_KEPT]]

    def failed(self) -> list[NotedRequest]:
        """Those with a code of 500 or more in the last minutes, the latest first."""
        since = self._now() - _PERIOD * _PERIODS
        return [each for each in reversed(self._failed) if each.ended >= since]


def _trace_of(request: Request) -> str:
    traceparent = request.meta.get(TRACEPARENT, "")
    return trace_ids(traceparent)[0] if is_sampled(traceparent) else ""


def caller_of(request: Request) -> str:
    """The caller, for an operator: the user, a named token, the uid, or the address of an HTTP client."""
    caller = request.caller
    if request.user_name:
        return request.user_name
    if caller.grant is not None and caller.grant.name != _SHARED:
        return f"token:{caller.grant.name}"
    host: str = getattr(request.peer_address, "host", "")
    return caller.identity or host
