"""Binds Unix sockets, and removes the paths of sockets that nothing owns any more."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from typing import Final

from twisted.logger import Logger

from unixsvc.errors import ConfigError
from unixsvc.socket_directory import check_socket_path

__all__ = ["BoundSocket", "bind", "bind_again", "check_passed_path", "identity_of", "is_served"]

_log = Logger()
_REMEDY: Final = "let the orchestrator write to its directory, or choose another"


class BoundSocket:
    """A listening socket and its path.

    :ivar socket: for the workers, which accept.
    """

    def __init__(self, listening: socket.socket, path: str) -> None:
        self.socket = listening
        self.path = path
        self._identity = identity_of(path)

    def owns_path(self) -> bool:
        """Whether the path still leads to this socket."""
        return identity_of(self.path) == self._identity

    def close(self) -> None:
        """Close the socket, and remove its path if it still leads to it."""
        self.socket.close()
        if self.owns_path():
            with suppress(FileNotFoundError):  # it has just been removed
                os.unlink(self.path)


def bind(path: str, mode: int, backlog: int) -> BoundSocket:
    """Bind a path and listen.

    :param mode: of the path, from the moment of its creation.
    :raises ConfigError: if the path cannot be bound, is too long, or is something else than a socket.
    """
    check_socket_path(path)
    _remove_stale_socket(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o777 & ~mode)
    try:
        listening.bind(path)
    except OSError as error:
        listening.close()
        raise ConfigError(path, f"cannot be bound: {error.strerror}", _REMEDY) from None
    finally:
        os.umask(umask)
    listening.listen(backlog)
    listening.setblocking(False)
    return BoundSocket(listening, path)


def bind_again(bound: BoundSocket, mode: int, backlog: int) -> BoundSocket:
    """Bind the path of a socket again, as it was removed or replaced. The old socket is closed.

    :raises ConfigError: if another process listens at the path, or it cannot be bound; then the old socket
        stays open.
    """
    path = bound.path
    try:
        if is_served(path):
            remedy = "stop it, or remove the path; it is bound again then"
            raise ConfigError(path, "now leads to the socket of another process", remedy)
        again = bind(path, mode, backlog)
    except OSError as error:
        raise ConfigError(path, f"cannot be bound: {error.strerror}", _REMEDY) from None
    _log.warn("{path} was removed or replaced; it is bound again", path=path)
    bound.socket.close()
    return again


def is_served(path: str) -> bool:
    """Whether a process listens at a path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) in (0, errno.EAGAIN)  # EAGAIN: its backlog is full


def identity_of(path: str) -> tuple[int, int] | None:
    """What distinguishes a file from others that have the same path later; None if there is none."""
    try:
        state = os.lstat(path)
    except OSError:
        return None
    return state.st_dev, state.st_ino


def check_passed_path(path: str, identity: tuple[int, int] | None) -> None:
    """Check that the path of a socket that systemd has passed is still there.

    :raises ConfigError: if it is not; only systemd can bind it again.
    """
    if identity_of(path) != identity:
        remedy = "stop the orchestrator, restart the socket unit, and start the orchestrator"
        raise ConfigError(path, "was removed, and belongs to systemd", remedy)


def _remove_stale_socket(path: str) -> None:
    """Remove the socket of an orchestrator that has died. The caller holds the lock of the directory.

    :raises ConfigError: if it is not a socket.
    """
    try:
        state = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(path, f"cannot be bound: {error.strerror}", _REMEDY) from None
    if not stat.S_ISSOCK(state.st_mode):
        raise ConfigError(path, "is in the way, and is not a socket", "remove it")
    if is_served(path):
        # Workers of an orchestrator that was killed. They send their pending replies without the path.
        _log.warn("{path}: another process still listens there; taking over the path", path=path)
    os.unlink(path)
