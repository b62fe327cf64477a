"""The lock of a socket directory."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from unixsvc.errors import ConfigError
from unixsvc.lock_file import open_lock_file
from unixsvc.orchestrator.sockets.binding import identity_of
from unixsvc.socket_directory import check_directory

__all__ = ["DirectoryLock", "another_orchestrator"]


class DirectoryLock:
    """Held by the one orchestrator of a socket directory as long as its process lives.

    It is a lock of the kernel, flock(2): a file with a process id misleads when the id is reused, or when
    containers share the directory.

    :param mode: of the directory, for the message that says how to make it again.
    :raises ConfigError: if another process holds it, or if its file is not ours alone.
    """

    def __init__(self, socket_dir: str, mode: int = 0o700) -> None:
        self._directory = socket_dir
        self._mode = mode
        self._file = _lock(socket_dir)
        self.write_pid()

    def renew(self) -> None:
        """Check that the directory is still ours, and lock it again if its lock file was removed.

        :raises ConfigError: if the directory was removed or is not safe any more, or if another orchestrator
            has locked it meanwhile.
        """
        check_directory(self._directory, self._mode)
        state = os.fstat(self._file)
        if identity_of(_path_in(self._directory)) == (state.st_dev, state.st_ino):
            return
        file = _lock(self._directory)
        os.close(self._file)
        self._file = file
        self.write_pid()

    def write_pid(self) -> None:
        """Write our process id for the error message of another orchestrator; again after daemonizing."""
        with suppress(OSError):  # as for a full disk: the lock holds without it
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Release the lock. The file stays: two processes could lock two files of the same name otherwise."""
        os.close(self._file)


def _path_in(socket_dir: str) -> str:
    return os.path.join(socket_dir, ".lock")


def _lock(socket_dir: str) -> int:
    """Lock a directory; the descriptor of its lock file.

    :raises ConfigError: if another process holds the lock.
    """
    file = open_lock_file(_path_in(socket_dir))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(file, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(file)
        raise another_orchestrator(socket_dir, holder) from None
    return file


def another_orchestrator(socket_dir: str, pid: str = "unknown") -> ConfigError:
    """The error for a directory that another orchestrator serves."""
    return ConfigError(
        socket_dir, f"another orchestrator runs here (pid {pid})", "stop it, or use another --socket-dir"
    )
