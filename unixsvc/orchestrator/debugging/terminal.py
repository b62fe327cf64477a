"""The terminal that a caller of the control API lends to a worker."""

from __future__ import annotations

import os
from typing import Annotated

from msgspec import Meta, Struct

from unixsvc.errors import Conflict

__all__ = ["LentTerminal", "open_terminal"]


class LentTerminal(Struct, frozen=True):
    """A pseudo-terminal.

    :ivar path: its path, as the caller sees it.
    :ivar device: the device number of its file system, as of :func:`os.stat`.
    :ivar inode: its inode number there.
    :ivar variables: environment variables about it, such as ``TERM``.
    """

    path: Annotated[str, Meta(pattern="^/dev/pts/[0-9]+$")]
    device: int
    inode: int
    variables: dict[str, str] = {}


def open_terminal(terminal: LentTerminal) -> int:
    """Open a terminal; the descriptor.

    :raises Conflict: if it cannot be opened, or is not the one that the caller means.
    """
    try:
        descriptor = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise Conflict(f"the terminal {terminal.path} cannot be opened: {error.strerror}") from None
    found = os.fstat(descriptor)
    if (found.st_dev, found.st_ino) != (terminal.device, terminal.inode):
        os.close(descriptor)
        # In another container, the path leads to the terminal of another person.
        raise Conflict(
            f"{terminal.path} is another terminal where the orchestrator runs; run unixsvc debug there"
        )
    return descriptor
