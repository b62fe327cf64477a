"""How much memory this process has."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["ResidentMemory"]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


class ResidentMemory:
    """Resident bytes of this process, as ``/proc/self/statm`` has them; see proc(5).

    The file is kept open: a process that has no descriptor left can still be asked. It is that of one
    process: one that has become a daemon since opens its own.
    """

    def __init__(self) -> None:
        self._open()

    def __call__(self) -> int:
        """Those of now."""
        if self._owner != os.getpid():
            self.close()
            self._open()
        return int(os.pread(self._file, 128, 0).split()[1]) * _PAGE

    def _open(self) -> None:
        self._owner = os.getpid()
        self._file = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Ask no more."""
        os.close(self._file)
