"""How many descriptors a process may still open."""

from __future__ import annotations

import os
import resource
from typing import Final

__all__ = ["descriptor_threshold", "has_spare_descriptors"]

# So many are to be left, or rather twice as many where there has just been a lack of them.
_LEFT: Final = 64
_ENOUGH: Final = 2 * _LEFT


def descriptor_threshold() -> int:
    """From this number on, a new descriptor tells that soon there will be none left."""
    return _most() - _LEFT


def has_spare_descriptors() -> bool:
    """Whether many can still be opened; the numbers of new ones do not tell, as any may have been closed."""
    most = _most()
    try:
        return most > _ENOUGH and len(os.listdir("/proc/self/fd")) <= most - _ENOUGH
    except OSError:  # none is left to look with
        return False


def _most() -> int:
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if most == resource.RLIM_INFINITY else most
