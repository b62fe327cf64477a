"""Notices that files were changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

__all__ = ["FileWatch"]

# In seconds. A change counts when two looks have seen it, as an editor may write a file in several steps.
_INTERVAL: Final = 2.0


class FileWatch:
    """Looks at files every two seconds.

    :param version: returns a value that changes with the files.
    :param on_change: called when the files differ from their known version.
    """

    def __init__(
        self, reactor: IReactorTime, version: Callable[[], object], on_change: Callable[[], object]
    ) -> None:
        self._reactor = reactor
        self._version = version
        self._on_change = on_change
        self._next: IDelayedCall | None = None
        self._known = self._seen = version()

    def start(self) -> None:
        """Begin to look."""
        self._next = self._reactor.callLater(_INTERVAL, self._look)

    def stop(self) -> None:
        """Stop that."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def has_changed(self) -> bool:
        """True if the files differ from their known version; the version that they have now is known then."""
        before, self._known = self._known, self._version()
        self._seen = self._known
        return self._known != before

    def _look(self) -> None:
        self._next = self._reactor.callLater(_INTERVAL, self._look)
        before, self._seen = self._seen, self._version()
        if self._seen == before and self._seen != self._known:
            self._on_change()
