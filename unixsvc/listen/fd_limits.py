"""How many file descriptors a process may still open."""

from __future__ import annotations

import os
import resource
from typing import Final

__all__ = ["descriptor_threshold", "has_spare_descriptors"]

# File descriptors that must be left; twice as many before a shortage counts as over.
_RESERVE: Final = 64
_RECOVERED: Final = 2 * _RESERVE


def descriptor_threshold() -> int:
    """A new file descriptor of this number or above means that the limit (RLIMIT_NOFILE) is near."""
    return _limit() - _RESERVE


def has_spare_descriptors() -> bool:
    """True if many more can be opened.

    They are counted: the number of the newest does not tell, as lower ones may have been closed.
    """
    limit = _limit()
    try:
        return limit > _RECOVERED and len(os.listdir("/proc/self/fd")) <= limit - _RECOVERED
    except OSError:  # no file descriptor is left to list them
        return False


def _limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if limit == resource.RLIM_INFINITY else limit
