"""Where the files of one form are kept: in memory, and beyond a size in a temporary file without a name.

All files of a form share one temporary file, so that a request needs one file descriptor at most. The file
has no name (``O_TMPFILE``): the kernel removes it with its last descriptor, also if the worker is killed.
"""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, cast

from unixsvc.domain.uploads.upload_file import RunBlocking

__all__ = ["Spool", "SpooledFile", "TemporaryStore"]


class TemporaryStore:
    """A temporary file that several threads use.

    :param folder: where it is; empty for the system's folder for temporary files.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder or None
        self._lock = threading.Lock()
        self._file: Any = None  # of tempfile, whose types depend on the platform
        self._users = 0
        self._closed = False

    @contextlib.contextmanager
    def use(self) -> Iterator[int]:
        """The file descriptor, which stays open meanwhile.

        :raises ValueError: after :meth:`close`.
        :raises OSError: if the file cannot be created.
        """
        with self._lock:
            if self._closed:
                raise ValueError("the upload is closed, as its request has ended")
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0, dir=self._folder)  # noqa: SIM115 # closed below
            self._users += 1
        try:
            yield self._file.fileno()
        finally:
            with self._lock:
                self._users -= 1
                self._close_unused()

    def close(self) -> None:
        """Remove the file, as soon as no thread uses it."""
        with self._lock:
            self._closed = True
            self._close_unused()

    def _close_unused(self) -> None:
        if self._closed and not self._users and self._file is not None:
            self._file.close()


class SpooledFile:
    """The content of one file of a form.

    :param store: where it is if it is not in memory.
    """

    def __init__(self, store: TemporaryStore) -> None:
        self._store = store
        self.data = bytearray()
        self.size = 0
        self.offset: int | None = None  # in the store; None in memory

    @property
    def in_memory(self) -> bool:
        """Whether reading never waits for a disk."""
        return self.offset is None

    def read(self, position: int, size: int) -> bytes:
        """Return the bytes from a position on: as many as there are, up to a size."""
        size = min(size, max(self.size - position, 0))
        if self.offset is None:
            return bytes(self.data[position : position + size])
        with self._store.use() as fd:
            return os.pread(fd, size, self.offset + position)

    def open(self) -> BinaryIO:
        """Return a file object for reading."""
        if self.offset is None:
            return io.BytesIO(self.data)
        return cast(BinaryIO, io.BufferedReader(_SpooledReader(self), 65_536))

    def copy_to(self, path: str | os.PathLike[str]) -> None:
        """Write all bytes to a new file, which replaces one that is there."""
        path = os.fspath(path)
        part = f"{path}.{secrets.token_hex(4)}.part"
        try:
            with open(part, "xb") as target:
                self._write_to(target)
            os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(part)
            raise

    def _write_to(self, target: BinaryIO) -> None:
        if self.offset is None:
            target.write(self.data)
            return
        with self._store.use() as fd:
            position, end = self.offset, self.offset + self.size
            while position < end:
                position += os.sendfile(target.fileno(), fd, position, min(end - position, 1 << 24))


class _SpooledReader(io.RawIOBase):
    """Reads one file out of the store; it has a position of its own."""

    def __init__(self, content: SpooledFile) -> None:
        self._content = content
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._content.size}[whence]
        if base + offset < 0:
            raise ValueError(offset)
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:  # Any: as typeshed has it, for Python 3.11
        data = self._content.read(self._position, len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class Spool:
    """Takes the files of one form while they arrive.

    :param folder: for the temporary file; empty for the system's.
    :param spool_over: the most bytes of all files together that stay in memory.
    :param run: calls functions in a thread.
    :ivar held: the number of bytes in memory.
    """

    def __init__(self, folder: str, spool_over: int, run: RunBlocking[object]) -> None:
        self._store = TemporaryStore(folder)
        self._spool_over = spool_over
        self._run = run
        self._unwritten: list[bytes | bytearray] = []
        self._stored = 0
        self.held = 0

    def new_file(self) -> SpooledFile:
        """Begin a file; :meth:`append` adds to it, until there is another."""
        return SpooledFile(self._store)

    def append(self, file: SpooledFile, data: bytes) -> None:
        """Add to the file that was begun last."""
        file.size += len(data)
        self.held += len(data)
        if file.offset is not None:
            self._unwritten.append(data)
            self._stored += len(data)
            return
        file.data += data
        if self.held > self._spool_over:
            file.offset = self._stored
            self._unwritten.append(file.data)
            self._stored += file.size
            file.data = bytearray()

    @property
    def must_write(self) -> bool:
        """Whether :meth:`write` has something to do."""
        return bool(self._unwritten)

    async def write(self) -> None:
        """Write to the disk, out of memory.

        :raises OSError: if there is no room.
        """
        pieces, self._unwritten = self._unwritten, []
        await self._run(partial(_write_all, self._store, pieces))
        self.held -= sum(map(len, pieces))

    def close(self) -> None:
        """Remove everything, as soon as no thread uses it."""
        self._unwritten = []
        self._store.close()


def _write_all(store: TemporaryStore, pieces: Sequence[bytes | bytearray]) -> None:
    with store.use() as fd:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(fd, rest) :]
