"""Errors on the terminal that ``twistd`` was started from."""

from __future__ import annotations

import io
import select
import sys
from contextlib import suppress
from typing import Final, NoReturn, TextIO

from unixsvc.orchestrator.signals import WRONG_USAGE

__all__ = ["LAST_LINES", "exit_with", "print_error"]

LAST_LINES: Final = 1.0
"""How long the end of the process may wait for its last lines, in seconds."""
# Characters of one byte that a pipe takes if it takes any, see pipe(7).
_PIPE_SPACE: Final = 4096


def print_error(problem: object) -> None:
    """Write to the terminal: once the log has begun, ``sys.stderr`` leads into it."""
    if sys.__stderr__ is None:
        return
    with suppress(OSError):  # its reader has exited
        if _can_write(sys.__stderr__):
            sys.__stderr__.write(f"unixsvc: {problem}\n"[:_PIPE_SPACE])
            sys.__stderr__.flush()


def _can_write(stream: TextIO) -> bool:
    """False if writing would block: a pipe is full, and is not read within a second."""
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(LAST_LINES * 1000))


def exit_with(problem: object) -> NoReturn:
    """Print an error and exit with the code of a wrong configuration."""
    print_error(problem)
    raise SystemExit(WRONG_USAGE)
