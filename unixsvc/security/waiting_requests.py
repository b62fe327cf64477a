"""Requests that wait until there is room for their replies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.internet.defer import Deferred

from unixsvc.errors import Unavailable

__all__ = ["Wait", "WaitingRequests"]

Wait = Callable[[], Awaitable[None]]
"""Returns when a request may be handled.

:raises Unavailable: if too many wait.
"""


class WaitingRequests:
    """A queue of requests, the oldest first.

    :param most: the number of requests that may wait.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: dict[Deferred[None], None] = {}

    @property
    def count(self) -> int:
        """The number of requests that wait."""
        return len(self._waiting)

    def wait(self) -> Deferred[None]:
        """Wait for one call of :meth:`release`. The Deferred may be cancelled.

        :raises Unavailable: if too many wait.
        """
        if len(self._waiting) >= self._most:
            raise Unavailable
        deferred: Deferred[None] = Deferred(self._waiting.pop)
        self._waiting[deferred] = None
        return deferred

    def release(self) -> None:
        """Let the oldest request go on."""
        deferred = next(iter(self._waiting))
        del self._waiting[deferred]
        deferred.callback(None)
