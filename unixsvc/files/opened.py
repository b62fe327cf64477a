"""Opens regular files for reading, and nothing else."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from unixsvc.domain.file import File
from unixsvc.domain.open_file import OpenFile
from unixsvc.errors import NotFound, Unavailable
from unixsvc.files.media_types import media_type_of

__all__ = ["ABSENT", "NO_DESCRIPTORS", "FileDescriptor", "Folder", "open_file", "open_regular"]

# Without O_NONBLOCK the open of a FIFO waits for a writer; a terminal must not become the controlling one.
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
ABSENT: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)
"""The errors of paths at which there is no file."""
NO_DESCRIPTORS: Final = (errno.EMFILE, errno.ENFILE)
"""The errors where no file descriptor is left."""


class FileDescriptor:
    """Owns a file descriptor; a reply that is never sent closes it when it is discarded."""

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number = number

    def fileno(self) -> int:
        """Return the number; -1 when it is closed."""
        return self._number

    def close(self) -> None:
        """Close it."""
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()


class Folder:
    """A folder in which files must be, also when the symbolic links of their paths are followed.

    :param path: of the folder. It may be a symbolic link that later leads to another folder.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._real = ""

    def open(self, name: str) -> tuple[FileDescriptor, os.stat_result]:
        """Open a file.

        The kernel says which file is open: whatever happens to its path meanwhile, no other is sent.

        :param name: relative to the folder.
        :raises OSError: as :func:`open_regular`; ENOENT for a file that is not in the folder.
        """
        descriptor, state = open_regular(os.path.join(self._path, name))
        real = os.readlink(f"/proc/self/fd/{descriptor.fileno()}")
        if not (self._real and real.startswith(self._real)):
            self._real = os.path.join(os.path.realpath(self._path), "")
            if not real.startswith(self._real):
                descriptor.close()
                raise FileNotFoundError(errno.ENOENT, "outside of its folder", name)
        return descriptor, state


def open_regular(path: str) -> tuple[FileDescriptor, os.stat_result]:
    """Open a file.

    :raises IsADirectoryError: for anything but a regular file. It is not opened, as that can have effects on
        a device or a FIFO.
    :raises OSError: if it cannot be opened.
    """
    _require_regular(os.stat(path), path)
    descriptor = FileDescriptor(os.open(path, _FLAGS))
    state = os.fstat(descriptor.fileno())
    _require_regular(state, path)
    return descriptor, state


def open_file(file: File, media_type: str = "") -> OpenFile:
    """Open the file of a result.

    :param media_type: if the result has none; empty for that of the name.
    :raises NotFound: if there is no such file.
    :raises Unavailable: if no file descriptor is left.
    :raises OSError: if it cannot be opened for another reason.
    """
    if not isinstance(file, File):  # the annotation of an action is a promise
        raise TypeError(f"the action has returned a {type(file).__name__}, and not a File")
    path = os.fspath(file.path)
    try:
        descriptor, state = Folder(os.fspath(file.folder)).open(path) if file.folder else open_regular(path)
    except ValueError:  # NUL, or characters that no path has
        raise NotFound from None
    except OSError as error:
        # A client that chooses the name may choose that of a folder.
        if error.errno in ABSENT or (file.folder and isinstance(error, IsADirectoryError)):
            raise NotFound from None
        if error.errno in NO_DESCRIPTORS:
            raise Unavailable from error
        raise
    return OpenFile(
        descriptor=descriptor,
        size=state.st_size,
        modified=state.st_mtime_ns,
        media_type=file.media_type or media_type or media_type_of(path),
        filename=file.filename,
        attachment=file.attachment,
        cache_control=file.cache_control,
    )


def _require_regular(state: os.stat_result, path: str) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, "not a regular file", path)
