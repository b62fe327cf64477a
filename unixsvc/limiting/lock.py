"""Locks on parts of a file that the kernel releases when their holder dies."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterable
from typing import Final

__all__ = ["RecordLocks"]

# A holder needs some microseconds, or a turn of the scheduler if it is interrupted. One that was stopped, as
# by a debugger, must not stop the others: their event loops would not answer their watchdogs.
_DEADLINE: Final = 0.05
_PAUSE: Final = 0.0001


class RecordLocks:
    """Locks one byte of a file each, against other processes only: one thread uses them.

    They are the locks of ``fcntl(2)`` that belong to the process. Those that belong to the open file
    description do not exclude processes that have inherited the same descriptor.

    :param file: the file descriptor.
    """

    def __init__(self, file: int) -> None:
        self._file = file

    def acquire(self, places: Iterable[int]) -> bool:
        """Lock several places. All processes lock in ascending order, so none waits for itself.

        :param places: in ascending order.
        :returns: False if another process has one of them for too long. It is not locked then.
        """
        complete = True
        for place in places:
            complete &= self._acquire(place)
        return complete

    def release(self) -> None:
        """Unlock all."""
        fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _acquire(self, place: int) -> bool:
        deadline = 0.0
        while True:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
                return True
            except (BlockingIOError, PermissionError):  # EAGAIN or EACCES, see fcntl(2)
                now = time.monotonic()
                deadline = deadline or now + _DEADLINE
                if now >= deadline:
                    return False
                time.sleep(_PAUSE)
