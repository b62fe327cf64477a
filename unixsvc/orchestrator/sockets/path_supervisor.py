"""Notices that socket paths, or their directory, were removed while the orchestrator runs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from unixsvc.client.twisted.directory_watch import wait_for_change
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.sockets.directory_lock import DirectoryLock

__all__ = ["PathSupervisor"]

# The longest time between two checks, in seconds: for changes that inotify does not report, as the end of a
# directory, and for systems without it.
_INTERVAL: Final = 3.0
# The shortest time, in seconds: something that changes the directory all the time must not keep us busy.
_PAUSE: Final = 0.2

_log = Logger(namespace="orchestrator")


class HasPaths(Protocol):
    """Has socket paths, as a pool."""

    def check_paths(self) -> None:
        """Bind the paths again that were removed.

        :raises ConfigError: if one cannot be bound.
        """


class PathSupervisor(Service):
    """Checks socket paths when their directories change, and every few seconds.

    :param reactor: a clock that provides ``IReactorFDSet`` as well. ``Any``: no type says both.
    :param lock: of the socket directory.
    :param directories: returns the directories that have socket paths.
    :param pools: returns what has paths there.
    """

    def __init__(
        self,
        reactor: Any,
        lock: DirectoryLock,
        directories: Callable[[], Collection[str]],
        pools: Callable[[], Collection[HasPaths]],
    ) -> None:
        self._reactor = reactor
        self._lock = lock
        self._directories = directories
        self._pools = pools
        self._problems: set[str] = set()
        self._waiting: list[Deferred[None]] = []
        self._pause: IDelayedCall | None = None

    def startService(self) -> None:
        """Begin to watch."""
        super().startService()
        self._watch()

    def stopService(self) -> None:
        """Stop to watch."""
        super().stopService()
        if self._pause is not None and self._pause.active():
            self._pause.cancel()
        self._cancel()

    def check(self) -> None:
        """Check the directory and all paths now. A problem is logged once, as long as it lasts."""
        problems: set[str] = set()
        for check in self._lock.renew, *(pool.check_paths for pool in self._pools()):
            try:
                check()
            except ConfigError as error:
                problems.add(str(error))
        for problem in sorted(problems - self._problems):
            _log.error("{problem}; clients cannot connect", problem=problem)
        self._problems = problems

    def _watch(self) -> None:
        # First the watch, then the check: no change falls between the two.
        waiting = [wait_for_change(each, _INTERVAL, self._reactor) for each in self._directories()]
        self._waiting = waiting
        self.check()
        changed = DeferredList(waiting, fireOnOneCallback=True, consumeErrors=True)
        changed.addCallback(lambda _: self._changed())

    def _changed(self) -> None:
        if self.running:
            self._cancel()
            self._pause = self._reactor.callLater(_PAUSE, self._watch)

    def _cancel(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.cancel()
