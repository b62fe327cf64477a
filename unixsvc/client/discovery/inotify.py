"""Notification of changes in a directory by the kernel: inotify(7)."""

from __future__ import annotations

import os
import select
import time
from math import ceil
from typing import Final

__all__ = ["wait_for_change", "watch"]

# From <sys/inotify.h>: IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE.
_CHANGES: Final = 0x40 | 0x80 | 0x100 | 0x200


def watch(directory: str) -> int:
    """Watch a directory.

    :returns: a descriptor that becomes readable when an entry is created, removed, or renamed; the caller
        closes it.
    :raises OSError: if there are too many watches, the directory does not exist, or there is no inotify.
    """
    import ctypes  # late: few programs need it

    try:
        library = ctypes.CDLL(None, use_errno=True)
        init, add_watch = library.inotify_init1, library.inotify_add_watch
    except AttributeError as error:
        raise OSError(str(error)) from None
    descriptor: int = init(os.O_CLOEXEC | os.O_NONBLOCK)  # IN_CLOEXEC and IN_NONBLOCK have the same values
    if descriptor >= 0:
        if add_watch(descriptor, os.fsencode(directory), _CHANGES) >= 0:
            return descriptor
        number = ctypes.get_errno()
        os.close(descriptor)
    else:
        number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), directory)


def wait_for_change(directory: str, seconds: float) -> None:
    """Block until an entry of a directory is created, removed, or renamed.

    :param seconds: the longest time to wait. Without inotify, it always waits this long.
    """
    try:
        descriptor = watch(directory)
    except OSError:
        time.sleep(seconds)
        return
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll(ceil(seconds * 1000))
    finally:
        os.close(descriptor)
