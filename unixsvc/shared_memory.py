"""Memory that the orchestrator shares with workers."""

from __future__ import annotations

import fcntl
import os
from typing import Final

__all__ = ["make_shared_memory"]

# A process that reads memory beyond the end of its file gets SIGBUS, so no worker may truncate it.
_SEALS: Final = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


def make_shared_memory(name: str, size: int) -> int:
    """Make memory of a fixed size, filled with zeros. Pages that are not written to take no room.

    :param name: appears in ``/proc/PID/maps``.
    :param size: in bytes.
    :returns: its file descriptor, which the caller closes.
    :raises OSError: if no file descriptor is left.
    """
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, size)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
    return file
