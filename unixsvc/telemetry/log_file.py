"""Where a log is written: a descriptor, or a file that can be rotated."""

from __future__ import annotations

import errno
import os
import select
from typing import Final, Protocol

from unixsvc.safe_open import open_for_writing

__all__ = ["AppendedFile", "LogOutput", "OutputDescriptor"]

_MODE: Final = 0o640


class LogOutput(Protocol):
    """Where log lines go. Its methods are called in the thread of the writer, and may block."""

    def write(self, data: bytes) -> None:
        """Write all bytes.

        :raises OSError: if that is not possible; a part may have been written.
        """

    def reopen(self) -> None:
        """Open the file again, as after its rotation.

        :raises OSError: if that is not possible; the old file is used on.
        """


class OutputDescriptor:
    """An open file descriptor, such as standard output; another process may have made it non-blocking.

    After a write that has failed within a line, the next one begins a new line.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._torn = False

    def write(self, data: bytes) -> None:
        """Write all bytes."""
        if self._torn:
            data = b"\n" + data
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self.descriptor, rest) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(self.descriptor, select.POLLOUT)
                poll.poll()
            except OSError:  # as for a full disk
                self._torn = self._torn or len(rest) < len(data)
                raise
        self._torn = False

    def reopen(self) -> None:
        """Do nothing: a descriptor cannot be opened again."""


class AppendedFile:
    """A file that is only appended to, so that other programs may rename or truncate it.

    :param path: absolute, as the current directory may change.
    :raises OSError: if it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = OutputDescriptor(self._open())

    def write(self, data: bytes) -> None:
        """Write all bytes."""
        self._file.write(data)

    def reopen(self) -> None:
        """Open the path again."""
        descriptor = self._open()
        self.close()
        self._file = OutputDescriptor(descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file.descriptor)

    def _open(self) -> int:
        # A pipe without a reader would block; with O_NONBLOCK, opening it fails.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        try:
            return open_for_writing(self._path, flags, _MODE)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            raise OSError(errno.ENXIO, "a pipe that no process reads", self._path) from None
