"""How much memory this process has."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["resident_memory"]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def resident_memory() -> int:
    """Resident bytes of this process, as ``/proc/self/statm`` has them; see proc(5)."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE
