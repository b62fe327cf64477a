"""The processes that a worker has left behind, and their end."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from unixsvc.orchestrator.worker.forks import WORKER_VARIABLE
from unixsvc.orchestrator.worker.process_tree import children

__all__ = ["DescendantGroup", "kill_worker"]


class DescendantGroup:
    """The processes that a worker has started, and that may survive it.

    They are those of its process group, and programs in other groups if this process has adopted them.

    :param leader: the pid of the worker, which leads its group.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def terminate(self) -> bool:
        """Send TERM.

        :returns: whether there is any process.
        """
        return self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send KILL."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> bool:
        # The group keeps its number from being used again as long as it has a process.
        groups = {self._leader, *self._groups_elsewhere()}
        return sum(_signal_group(group, number) for group in groups) > 0

    def _groups_elsewhere(self) -> Iterator[int]:
        """Groups that adopted programs of the worker have made for themselves, as daemons do."""
        mark = f"{WORKER_VARIABLE}={self._leader}".encode()
        own = os.getpgid(0)
        for pid in children():
            with suppress(OSError):  # it has ended, or belongs to another user
                group = os.getpgid(pid)
                if group != own and mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    yield group


def kill_worker(pid: int) -> None:
    """Kill a worker and its group at once."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _signal_group(pid, signal.SIGKILL)  # there is none if it has only just started


def _signal_group(group: int, number: signal.Signals) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # it is empty, or all of it has become another user
        return False
    return True
