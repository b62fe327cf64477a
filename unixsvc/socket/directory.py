"""The socket directory: the registry of what runs on this machine."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import Final

from unixsvc.errors import ConfigError

__all__ = ["prepare_directory", "service_names", "socket_path"]

_MAX_PATH: Final = 107  # sun_path is 108 bytes with its end, unix(7)
_SOCKET = re.compile(r"service_(?P<name>[a-z][a-z0-9_-]*)\.sock")


def socket_path(socket_dir: str, service: str) -> str:
    """Where a service listens.

    :raises ConfigError: if the path is longer than a Unix socket's may be.
    """
    path = os.path.join(socket_dir, f"service_{service}.sock")
    length = len(os.fsencode(path))
    if length > _MAX_PATH:
        problem = f"is {length} bytes long, and a socket's path has at most {_MAX_PATH}"
        raise ConfigError(path, problem, "choose a shorter socket_dir")
    return path


def prepare_directory(path: str) -> None:
    """Make the directory, 0700; one that is there must be safe to put sockets into.

    :raises ConfigError: if it is no real directory, belongs to somebody else, or others can write to it.
    """
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)
        state = os.lstat(path)
    except OSError as error:
        raise ConfigError(path, f"cannot be made: {error.strerror}", "choose another socket_dir") from None
    if stat.S_ISLNK(state.st_mode):
        raise ConfigError(path, "is a symbolic link", "name the directory itself as socket_dir")
    if not stat.S_ISDIR(state.st_mode):
        raise ConfigError(path, "is no directory", "choose another socket_dir")
    if state.st_uid not in (os.geteuid(), 0):
        raise ConfigError(path, f"belongs to another user (uid {state.st_uid})", "choose another socket_dir")
    if state.st_mode & stat.S_IWOTH:
        mode = f"mode {stat.S_IMODE(state.st_mode):04o}"
        raise ConfigError(path, f"others can write to it ({mode})", f"run: chmod o-w {path}")


def service_names(socket_dir: str) -> list[str]:
    """The services that have a socket in the directory, sorted; whether they answer is not looked at.

    :raises ConfigError: if the directory cannot be read.
    """
    try:
        entries = list(os.scandir(socket_dir))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(socket_dir, f"cannot be read: {error.strerror}") from None
    found = (_SOCKET.fullmatch(each.name) for each in entries)
    return sorted(match["name"] for match in found if match)
