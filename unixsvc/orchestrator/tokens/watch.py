"""Notices that a file was changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from unixsvc.security.token_file import file_version

__all__ = ["FileWatch"]

# In seconds. A change counts when two looks have seen it, as an editor may write a file in several steps.
_INTERVAL: Final = 2.0


class FileWatch:
    """Looks at a file every two seconds.

    :param path: of the file; empty for none.
    :param on_change: called when the file differs from its known version.
    """

    def __init__(self, reactor: IReactorTime, path: str, on_change: Callable[[], object]) -> None:
        self._reactor = reactor
        self._path = path
        self._on_change = on_change
        self._next: IDelayedCall | None = None
        self._known = self._seen = file_version(path)

    def start(self) -> None:
        """Begin to look."""
        if self._path:
            self._next = self._reactor.callLater(_INTERVAL, self._look)

    def stop(self) -> None:
        """Stop that."""
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None

    def has_changed(self) -> bool:
        """True if the file differs from its known version; the version that it has now is known then."""
        before, self._known = self._known, file_version(self._path)
        self._seen = self._known
        return self._known != before

    def _look(self) -> None:
        self._next = self._reactor.callLater(_INTERVAL, self._look)
        before, self._seen = self._seen, file_version(self._path)
        if self._seen == before and self._seen != self._known:
            self._on_change()
