"""Who may use a socket directory, and the sockets in it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat

from twisted.logger import Logger

from unixsvc.errors import ConfigError

__all__ = ["BoundSocket", "DirectoryLock", "Listener", "bind", "remove_stale_sockets"]

_log = Logger()


class DirectoryLock:
    """Held by the one orchestrator of a socket directory, for as long as its process lives.

    A lock of the kernel's (flock), as a pid in a file is fooled by pids that are used again and by
    directories that containers share.

    :raises ConfigError: if another holds it.
    """

    def __init__(self, socket_dir: str) -> None:
        path = os.path.join(socket_dir, ".lock")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise ConfigError(path, f"cannot be opened: {error.strerror}") from None
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
        self.sign()

    def sign(self) -> None:
        """Leave our pid for whom we are in the way; once more where we have become a daemon."""
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Let another have it. The file stays: to remove it would let two have it."""
        os.close(self._file)


class Listener:
    """Where a service listens: a socket that can be opened, closed, and opened again.

    :param mode: of the path.
    :param handed: a listening socket that somebody has handed to us, systemd for one: it is used instead,
        never closed, and its path is theirs.
    """

    def __init__(self, path: str, mode: int, backlog: int, handed: socket.socket | None = None) -> None:
        self._path = path
        self._mode = mode
        self._backlog = backlog
        self._handed = handed
        self._bound: BoundSocket | None = None

    def open(self) -> None:
        """Bind the path and listen, unless that is done, and the path is still there.

        :raises ConfigError: if the path cannot be bound.
        """
        if self._handed is not None:
            return
        if self._bound is not None and not self._bound.is_there():
            _log.warn("{path}: somebody has removed it; it is bound anew", path=self._path)
            self.close()
        if self._bound is None:
            self._bound = bind(self._path, self._mode, self._backlog)

    def close(self) -> None:
        """Have clients refused at once, instead of waiting for nobody."""
        bound, self._bound = self._bound, None
        if bound is not None:
            bound.close()

    def descriptors(self) -> tuple[int, ...]:
        """Of the listening socket, for those who accept."""
        if self._handed is not None:
            return (self._handed.fileno(),)
        if self._bound is None:
            raise ValueError(f"{self._path} is not open")
        return (self._bound.socket.fileno(),)


class BoundSocket:
    """A listening socket whose path is ours.

    :ivar socket: to be handed to those who accept.
    """

    def __init__(self, listening: socket.socket, path: str) -> None:
        self.socket = listening
        self._path = path
        self._identity = _identity(path)

    def is_there(self) -> bool:
        """Whether clients that look for the path find this socket."""
        return _identity(self._path) == self._identity

    def close(self) -> None:
        """Close it, and remove its path, unless something else is there by now."""
        self.socket.close()
        if self.is_there():
            os.unlink(self._path)


def bind(path: str, mode: int, backlog: int) -> BoundSocket:
    """Bind a path and listen.

    :param mode: of the path, from its first moment on.
    :raises ConfigError: if the path is taken by something that is no socket.
    """
    remove_stale_sockets(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        listening.bind(path)
    except OSError as error:
        listening.close()
        raise ConfigError(path, f"cannot be bound: {error.strerror}") from None
    finally:
        os.umask(before)
    listening.listen(backlog)
    listening.setblocking(False)
    return BoundSocket(listening, path)


def remove_stale_sockets(path: str) -> None:
    """Remove what a dead orchestrator has left. Only who holds the directory's lock may do so.

    :raises ConfigError: if it is no socket.
    """
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(state.st_mode):
        raise ConfigError(path, "is in the way, and is no socket", "remove it")
    if _answers(path):
        # Workers of an orchestrator that was killed: they finish what they have, and need no path for it.
        _log.warn("{path}: somebody still listens there; the path is taken over", path=path)
    os.unlink(path)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) in (0, errno.EAGAIN)  # EAGAIN: its backlog is full


def _identity(path: str) -> tuple[int, int] | None:
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino
