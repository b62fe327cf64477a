"""The lock of a socket directory."""

from __future__ import annotations

import fcntl
import os

from unixsvc.errors import ConfigError
from unixsvc.lock_file import open_lock_file

__all__ = ["DirectoryLock"]


class DirectoryLock:
    """Held by the one orchestrator of a socket directory as long as its process lives.

    It is a lock of the kernel, flock(2): a file with a process id misleads when the id is reused, or when
    containers share the directory.

    :raises ConfigError: if another process holds it, or if its file is not ours alone.
    """

    def __init__(self, socket_dir: str) -> None:
        self._file = open_lock_file(os.path.join(socket_dir, ".lock"))
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise ConfigError(
                socket_dir,
                f"another orchestrator runs here (pid {holder})",
                "stop it, or use another --socket-dir",
            ) from None
        self.write_pid()

    def write_pid(self) -> None:
        """Write our process id for the error message of another orchestrator; again after daemonizing."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Release the lock. The file stays: two processes could lock two files of the same name otherwise."""
        os.close(self._file)
