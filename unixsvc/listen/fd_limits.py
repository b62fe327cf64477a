"""The limit of open files: how many file descriptors a process may still open."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

__all__ = ["START_FDS", "DescriptorReserve", "raise_limit"]

START_FDS: Final = 16
"""Descriptors that the start of a worker needs: the ends of four pipes, ``/dev/null``, the page of connection
counts, and the list of the open ones; and some more."""


def raise_limit() -> int:
    """Raise the limit to its maximum: the usual limit is for programs with select(2).

    :returns: the limit.
    """
    _, maximum = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (maximum, maximum))
    return _limit()


class DescriptorReserve:
    """File descriptors that are kept open, to be closed when something else must be opened.

    :param count: their number.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._held: list[int] = []

    def fill(self) -> None:
        """Open them, as far as the limit allows."""
        with suppress(OSError):
            while len(self._held) < self._count:
                self._held.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))

    @contextmanager
    def released(self) -> Iterator[None]:
        """Close them within a ``with`` block, so that as many can be opened there."""
        self.close()
        try:
            yield
        finally:
            self.fill()

    def close(self) -> None:
        """Close them."""
        while self._held:
            os.close(self._held.pop())


def _limit() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if limit == resource.RLIM_INFINITY else limit
