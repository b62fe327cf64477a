"""The system call prctl(2), which Python's :mod:`os` lacks."""

from __future__ import annotations

import os
from typing import Final

__all__ = [
    "DROP_BOUNDING_CAPABILITY",
    "SET_CHILD_SUBREAPER",
    "SET_NO_NEW_PRIVS",
    "SET_PARENT_DEATH_SIGNAL",
    "prctl",
]

SET_PARENT_DEATH_SIGNAL: Final = 1
DROP_BOUNDING_CAPABILITY: Final = 24
SET_CHILD_SUBREAPER: Final = 36
SET_NO_NEW_PRIVS: Final = 38


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process or thread.

    :raises OSError: if the kernel refuses.
    """
    import ctypes  # late: few workers need it

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
