"""Files for the kernel's locks, flock(2), that no other user can hold."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from unixsvc.errors import ConfigError

__all__ = ["open_lock_file"]

_MODE: Final = 0o600
# O_NONBLOCK: a named pipe or a device in place of the file could wait.
_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


def open_lock_file(path: str) -> int:
    """Open a lock file; create it if it does not exist.

    Anyone who can open a file can lock it, also for reading. So the file has the mode 0600, also if it had
    another one before. A hard link could be a file that another program uses.

    :returns: the descriptor; the lock is not taken yet.
    :raises ConfigError: if it is not a regular file of this user with one link.
    """
    try:
        descriptor = os.open(path, _FLAGS, _MODE)
    except OSError as error:
        if os.path.islink(path):
            raise ConfigError(path, "is a symbolic link", "remove it") from None
        is_there = error.errno in (errno.EISDIR, errno.ENXIO)  # ENXIO: a socket or a named pipe
        remedy = "remove it" if is_there else "let this user write to it and to its directory"
        raise ConfigError(path, f"cannot be opened: {error.strerror}", remedy) from None
    state = os.fstat(descriptor)
    problem = _problem_with(state)
    if problem:
        os.close(descriptor)
        raise ConfigError(path, problem, "remove it")
    if stat.S_IMODE(state.st_mode) != _MODE:
        os.fchmod(descriptor, _MODE)
    return descriptor


def _problem_with(state: os.stat_result) -> str:
    if not stat.S_ISREG(state.st_mode):
        return "is not a regular file"
    if state.st_uid != os.geteuid():
        return f"belongs to another user (uid {state.st_uid})"
    if state.st_nlink != 1:
        return "is a hard link: it has another name as well"
    return ""
