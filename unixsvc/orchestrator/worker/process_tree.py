"""The descendants of a process, see proc(5)."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

__all__ = ["children", "kill_tree"]


def children(parent: int | str = "self") -> list[int]:
    """The child processes of a process, this one by default, and those that it has adopted."""
    found: list[int] = []
    with suppress(OSError):  # a process or a thread has ended, or the kernel was built without these files
        for thread in os.listdir(f"/proc/{parent}/task"):
            # As bytes: for each text file, Python keeps the name of its codec in a cache of 4,096 names.
            with open(f"/proc/{parent}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def kill_tree(pid: int) -> None:
    """Kill a process and its descendants, however many generations there are."""
    pids = [pid]
    while pids:
        each = pids.pop()
        pids += children(each)  # before they have another parent
        with suppress(OSError):
            os.kill(each, signal.SIGKILL)
