"""How long a connection has been quiet."""

from __future__ import annotations

__all__ = ["Watch"]


class Watch:
    """Tells since when a connection has been quiet, from looks at it every now and then."""

    __slots__ = ("_partial_since", "_quiet_since", "_served")

    def __init__(self) -> None:
        self._served = -1
        self._quiet_since = 0.0
        self._partial_since: float | None = None

    def look(self, served: int, busy: bool, partial: bool, now: float) -> None:
        """Note what has happened since the last look.

        :param served: how many messages have been served.
        :param busy: whether requests are unanswered.
        :param partial: whether a message has begun and not ended.
        """
        if busy or served != self._served:
            self._served = served
            self._quiet_since = now
            self._partial_since = None
        if not partial:
            self._partial_since = None
        elif self._partial_since is None:
            self._partial_since = now

    def quiet(self, now: float) -> float:
        """For how long nothing has been served, in seconds."""
        return now - self._quiet_since

    def partial(self, now: float) -> float:
        """For how long one message has not come to its end, in seconds."""
        return 0.0 if self._partial_since is None else now - self._partial_since
