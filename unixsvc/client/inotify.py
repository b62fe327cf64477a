"""The kernel tells when the entries of a directory change: inotify(7), for whatever waits on a descriptor."""

from __future__ import annotations

import os
import select
import time
from math import ceil
from typing import Final

__all__ = ["wait_for_change", "watch"]

# From <sys/inotify.h>: something was moved away, moved here, made, deleted.
_CHANGES: Final = 0x40 | 0x80 | 0x100 | 0x200


def watch(directory: str) -> int:
    """Begin to watch.

    :returns: a descriptor that can be read from once something has appeared, gone, or was moved; whoever
        asked for it closes it.
    :raises OSError: if the kernel does not tell, as it has too many watches, is another, or there is no such
        directory.
    """
    import ctypes  # late: few programs ever come here

    try:
        library = ctypes.CDLL(None, use_errno=True)
        begin, add = library.inotify_init1, library.inotify_add_watch
    except AttributeError as error:
        raise OSError(str(error)) from None
    descriptor: int = begin(os.O_CLOEXEC | os.O_NONBLOCK)  # inotify's own names for these have their values
    if descriptor >= 0:
        if add(descriptor, os.fsencode(directory), _CHANGES) >= 0:
            return descriptor
        number = ctypes.get_errno()
        os.close(descriptor)
    else:
        number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), directory)


def wait_for_change(directory: str, seconds: float) -> None:
    """Block until something changes there, for so many seconds at most."""
    try:
        descriptor = watch(directory)
    except OSError:
        time.sleep(seconds)
        return
    try:
        changed = select.poll()
        changed.register(descriptor, select.POLLIN)
        changed.poll(ceil(seconds * 1000))
    finally:
        os.close(descriptor)
