"""The memory use of this process."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["ResidentMemory"]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class ResidentMemory:
    """Reads the resident set size of this process from ``/proc/self/statm``, see proc(5).

    The file stays open, so that reading it works when the process has no file descriptor left. After a fork,
    as by ``twistd --daemon``, the child opens its own.
    """

    def __init__(self) -> None:
        self._open()

    def __call__(self) -> int:
        """Return the resident set size in bytes."""
        if self._owner != os.getpid():
            self.close()
            self._open()
        return int(os.pread(self._file, 128, 0).split()[1]) * _PAGE

    def _open(self) -> None:
        self._owner = os.getpid()
        self._file = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
