"""Whether one process was started by another, as procfs shows it."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["is_descendant"]

# A process that exits while its children are followed upwards makes their parent change.
_MAX_STEPS: Final = 10_000


def is_descendant(pid: int, ancestor: int, proc: str = "/proc") -> bool:
    """Whether a process is a child of another, a child of such a child, and so on.

    A process whose parent has exited is a child of process 1, or of the nearest subreaper (prctl(2)).

    :param proc: where procfs is mounted.
    :returns: also True if the process has exited meanwhile or no file descriptor is left to read about it, as
        then the answer is not known. False if one of its ancestors is hidden (``hidepid`` in proc(5)), as it
        belongs to another user then.
    """
    parent = _parent_of(pid, proc)
    if parent is None:
        return True
    for _ in range(_MAX_STEPS):
        if parent == ancestor:
            return True
        if parent <= 1:
            return False
        grandparent = _parent_of(parent, proc)
        if grandparent is not None:
            pid, parent = parent, grandparent
            continue
        adopted_by = _parent_of(pid, proc)
        if adopted_by is None:
            return True
        if adopted_by == parent:
            return False
        parent = adopted_by
    return True


def _parent_of(pid: int, proc: str) -> int | None:
    """The parent of a process; None if the process has exited or is hidden, or cannot be read about."""
    try:
        with open(os.path.join(proc, str(pid), "stat"), "rb") as file:
            stat = file.read()
    except OSError:
        return None
    # The name of the program, in parentheses, may contain spaces and parentheses itself.
    return int(stat.rpartition(b")")[2].split()[1])
