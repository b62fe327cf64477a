"""The socket directory: the registry of the services on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from typing import Final

from unixsvc.errors import ConfigError

__all__ = [
    "check_directory",
    "check_socket_path",
    "is_owned_by",
    "prepare_directory",
    "service_names",
    "socket_path",
]

_MAX_PATH: Final = 107  # bytes; sun_path has 108 with the final zero, unix(7)
_SOCKET = re.compile(r"service_(?P<name>[a-z][a-z0-9_-]*)\.sock")


def socket_path(socket_dir: str, service: str) -> str:
    """The path of a service's socket.

    :raises ConfigError: if the path is too long for a Unix socket.
    """
    path = os.path.join(socket_dir, f"service_{service}.sock")
    check_socket_path(path, "choose a shorter socket_dir")
    return path


def check_socket_path(path: str, remedy: str = "choose a shorter path") -> None:
    """Check the length of the path of a Unix socket: a socket reports a longer one without its name.

    :param remedy: for the message.
    :raises ConfigError: if the path is too long.
    """
    length = len(os.fsencode(path))
    if length > _MAX_PATH:
        problem = f"is {length} bytes long, and a socket's path has at most {_MAX_PATH}"
        raise ConfigError(path, problem, remedy)


def prepare_directory(path: str, mode: int = 0o700) -> None:
    """Create the directory, or check that an existing one is safe for sockets.

    :param mode: of a new directory, under any umask.
    :raises ConfigError: if it is not a directory, belongs to another user, or other users can write to it or
        could put another one in its place.
    """
    try:
        _make(path, mode)
    except OSError as error:
        raise ConfigError(path, f"cannot be made: {error.strerror}", "choose another socket_dir") from None
    check_directory(path)


def check_directory(path: str, mode: int = 0o700) -> None:
    """Check that a directory exists and is safe for sockets.

    :param mode: of a new one, for the message.
    :raises ConfigError: if there is none, or as :func:`prepare_directory` does.
    """
    try:
        state = os.lstat(path)
        _check_parents(path)
    except FileNotFoundError:
        raise ConfigError(path, "was removed", f"run: mkdir -m {mode:o} {path}") from None
    except OSError as error:
        raise ConfigError(path, f"cannot be read: {error.strerror}", "choose another socket_dir") from None
    if stat.S_ISLNK(state.st_mode):
        raise ConfigError(path, "is a symbolic link", "name the directory itself as socket_dir")
    if not stat.S_ISDIR(state.st_mode):
        raise ConfigError(path, "is not a directory", "choose another socket_dir")
    if state.st_uid not in (os.geteuid(), 0):
        raise ConfigError(path, f"belongs to another user (uid {state.st_uid})", "choose another socket_dir")
    if state.st_mode & stat.S_IWOTH:
        problem = f"others can write to it (mode {stat.S_IMODE(state.st_mode):04o})"
        raise ConfigError(path, problem, f"run: chmod o-w {path}")


def _make(path: str, mode: int) -> None:
    umask = os.umask(0o022)  # under another one, other users might be able to write to the parents
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, mode)
    finally:
        os.umask(umask)


def _check_parents(path: str) -> None:
    """Check that no other user can rename the directory, or a symbolic link on the way to it.

    In a directory with the sticky bit, as ``/tmp``, only the owners of files can rename them.
    """
    for parent in {*_parents(path), *_parents(os.path.realpath(path))}:
        mode = os.stat(parent).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            problem = f"others can write to its parent {parent} (mode {stat.S_IMODE(mode):04o})"
            raise ConfigError(path, problem, f"run: chmod o-w {parent}")


def _parents(path: str) -> Iterator[str]:
    while path != (path := os.path.dirname(path)):
        yield path


def is_owned_by(path: str, uid: int) -> bool:
    """True if a socket was bound by a user, or by root.

    The workers of a service may run as another user than the orchestrator that has bound the socket. If no
    other user can create or rename a socket in the directory, the owner of both is proof enough.

    :param path: of the socket.
    :param uid: of the user.
    """
    try:
        directory, entry = os.lstat(os.path.dirname(path)), os.lstat(path)
    except OSError:
        return False
    trusted = (uid, 0)
    return (
        stat.S_ISDIR(directory.st_mode)
        and stat.S_ISSOCK(entry.st_mode)
        and not directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        and directory.st_uid in trusted
        and entry.st_uid in trusted
    )


def service_names(socket_dir: str) -> list[str]:
    """The services that have a socket in the directory, sorted. Whether they answer is not checked.

    :raises ConfigError: if the directory cannot be read.
    """
    try:
        entries = list(os.scandir(socket_dir))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(
            socket_dir, f"cannot be read: {error.strerror}", "run as the user of the orchestrator"
        ) from None
    matches = (_SOCKET.fullmatch(entry.name) for entry in entries)
    return sorted(match["name"] for match in matches if match)
