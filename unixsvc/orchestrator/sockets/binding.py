"""Binds Unix sockets, and removes the paths of sockets that nothing owns any more."""

from __future__ import annotations

import errno
import os
import socket
import stat

from twisted.logger import Logger

from unixsvc.errors import ConfigError

__all__ = ["BoundSocket", "bind", "remove_stale_socket"]

_log = Logger()


class BoundSocket:
    """A listening socket and its path.

    :ivar socket: for the workers, which accept.
    """

    def __init__(self, listening: socket.socket, path: str) -> None:
        self.socket = listening
        self._path = path
        self._identity = _identity(path)

    def owns_path(self) -> bool:
        """Whether the path still leads to this socket."""
        return _identity(self._path) == self._identity

    def close(self) -> None:
        """Close the socket, and remove its path if it still leads to it."""
        self.socket.close()
        if self.owns_path():
            os.unlink(self._path)


def bind(path: str, mode: int, backlog: int) -> BoundSocket:
    """Bind a path and listen.

    :param mode: of the path, from the moment of its creation.
    :raises ConfigError: if the path cannot be bound, or is something else than a socket.
    """
    remove_stale_socket(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o777 & ~mode)
    try:
        listening.bind(path)
    except OSError as error:
        listening.close()
        raise ConfigError(path, f"cannot be bound: {error.strerror}") from None
    finally:
        os.umask(umask)
    listening.listen(backlog)
    listening.setblocking(False)
    return BoundSocket(listening, path)


def remove_stale_socket(path: str) -> None:
    """Remove the socket of an orchestrator that has died. The caller holds the lock of the directory.

    :raises ConfigError: if it is not a socket.
    """
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(state.st_mode):
        raise ConfigError(path, "is in the way, and is not a socket", "remove it")
    if _accepts(path):
        # Workers of an orchestrator that was killed. They send their pending replies without the path.
        _log.warn("{path}: another process still listens there; taking over the path", path=path)
    os.unlink(path)


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) in (0, errno.EAGAIN)  # EAGAIN: its backlog is full


def _identity(path: str) -> tuple[int, int] | None:
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return None
    return state.st_dev, state.st_ino
