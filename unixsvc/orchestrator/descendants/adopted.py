"""Processes that the orchestrator adopts when their parents have ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from unixsvc.orchestrator.worker.prctl import SET_CHILD_SUBREAPER, prctl
from unixsvc.orchestrator.worker.process_tree import children, kill_tree

__all__ = ["AdoptedProcesses", "become_subreaper"]

# How long a process that has ended may stay in the process table, in seconds.
_INTERVAL: Final = 1.0


def become_subreaper() -> None:
    """Adopt all descendants whose parents end: otherwise process 1 does, and their origin is lost."""
    with suppress(OSError):  # a sandbox refuses it; then process 1 does
        prctl(SET_CHILD_SUBREAPER, 1)


class AdoptedProcesses(Service):
    """Reaps adopted processes, also as process 1 of a container, and kills the rest of them at the end.

    Children in our own process group are not adopted: they are those of this program itself.

    :param workers: gives the pids of the workers, which the reactor reaps.
    """

    def __init__(self, reactor: IReactorTime, workers: Callable[[], Collection[int]]) -> None:
        self._workers = workers
        self._call = LoopingCall(self.reap)
        self._call.clock = reactor

    def startService(self) -> None:
        """Begin to adopt and to reap."""
        become_subreaper()
        super().startService()
        self._call.start(_INTERVAL, now=False)

    def stopService(self) -> None:
        """Kill the adopted processes that still run, with their descendants: all workers have ended."""
        super().stopService()
        if self._call.running:
            self._call.stop()
        for pid in self._pids():
            kill_tree(pid)
        self.reap()

    def reap(self) -> None:
        """Remove adopted processes that have ended from the process table."""
        for pid in self._pids():
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _pids(self) -> Iterator[int]:
        ours, workers = os.getpgid(0), self._workers()
        for pid in children():
            with suppress(OSError):
                if pid not in workers and os.getpgid(pid) != ours:
                    yield pid
