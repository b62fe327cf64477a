"""Reads files without making the event loop wait for the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final, TypeAlias

from twisted.internet.defer import Deferred

from unixsvc.domain.open_file import Descriptor

__all__ = ["Disk", "RunInThread"]

RunInThread: TypeAlias = Callable[[Callable[[], None]], "Deferred[None]"]
"""Calls a function in a thread."""


# A thread keeps the memory that it has once allocated, and there are many.
_BLOCK: Final = 65_536


class Disk:
    """Has a thread load what the page cache lacks: while the disk works, and not while a client is slow.

    :param run: calls a function in a thread.
    """

    def __init__(self, run: RunInThread) -> None:
        self._run = run

    def read_small(self, descriptor: Descriptor, offset: int, count: int) -> bytes | None:
        """Read a small part of a file; less than ``count`` bytes if the file is shorter.

        :returns: None if it is not in the page cache. File systems that cannot tell are asked as others are:
            to open the file took as long.
        :raises OSError: if it cannot be read.
        """
        buffer = bytearray(count)
        try:
            found = os.preadv(descriptor.fileno(), [buffer], offset, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return os.pread(descriptor.fileno(), count, offset)
            if error.errno == errno.EAGAIN:
                return None
            raise
        return bytes(buffer) if found == count else None

    def is_cached(self, descriptor: Descriptor, offset: int, count: int) -> bool:
        """Return whether the first and the last byte of a part of a file are in the page cache.

        The kernel reads ahead, so that there are no holes in between as a rule. File systems that cannot tell
        (tmpfs, overlayfs, NFS) count as not cached.

        :raises OSError: if they cannot be read.
        """
        buffer = bytearray(1)
        try:
            for place in (offset, offset + count - 1):
                os.preadv(descriptor.fileno(), [buffer], place, os.RWF_NOWAIT)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EOPNOTSUPP):
                return False
            raise
        return True

    def load(self, descriptor: Descriptor, offset: int, count: int) -> Deferred[None]:
        """Have the page cache contain a part of a file. The descriptor stays open until that is done."""
        return self._run(lambda: _load(descriptor, offset, count))


def _load(descriptor: Descriptor, offset: int, count: int) -> None:
    """Read a part of a file, and drop it."""
    end = offset + count
    while offset < end:
        found = len(os.pread(descriptor.fileno(), min(end - offset, _BLOCK), offset))
        if not found:
            return  # it has become shorter
        offset += found
