"""The directory with the idempotency keys of a service, which only the user of its workers can enter."""

from __future__ import annotations

import os
import stat
from typing import Final

from unixsvc.errors import ConfigError

__all__ = ["directory_path", "make_directory"]

_MODE: Final = 0o700
_DIRECTORY: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# For directories that this process may not read: a worker of another user the parent, with mode 0711; an
# orchestrator with few capabilities the directory of that user.
_UNREAD: Final = os.O_PATH | _DIRECTORY


def directory_path(socket_dir: str, service: str) -> str:
    """Return the path of a service's directory; empty if there is no socket directory."""
    return os.path.join(socket_dir, f".answers_{service}") if socket_dir else ""


def make_directory(path: str, uid: int, gid: int = -1) -> None:
    """Create the directory for a user, or check that an existing one is only that user's.

    Members of the group of the socket directory may be able to rename files there, so a path is not trusted:
    the owner is changed through a descriptor, and only of a directory that is new.

    :param uid: of the workers; only root can name another user.
    :param gid: of the workers; -1 for the group of a new file.
    :raises ConfigError: if it cannot be created, or is not a directory of that user with the mode 0700.
    """
    try:
        directory, is_new = _open(path)
    except OSError as error:
        raise ConfigError(path, f"cannot be made: {error.strerror}", "choose another socket_dir") from None
    try:
        if is_new and uid != os.geteuid() and not os.listdir(directory):
            os.fchown(directory, uid, gid)
        state = os.fstat(directory)
    except OSError as error:
        raise ConfigError(
            path, f"cannot be given to uid {uid}: {error.strerror}", "the orchestrator needs CAP_CHOWN"
        ) from None
    finally:
        os.close(directory)
    if state.st_uid != uid:
        problem = f"belongs to uid {state.st_uid}, and the workers run as uid {uid}"
        raise ConfigError(path, problem, "remove it, and with it the stored replies")
    if state.st_mode & 0o077:
        problem = f"others can enter it (mode {stat.S_IMODE(state.st_mode):04o})"
        raise ConfigError(path, problem, f"run: chmod 700 {path}")


def _open(path: str) -> tuple[int, bool]:
    """Return a descriptor of the directory, and whether it is new."""
    folder, name = os.path.split(path)
    parent = os.open(folder, _UNREAD)
    try:
        try:
            os.mkdir(name, _MODE, dir_fd=parent)
        except FileExistsError:
            return os.open(name, _UNREAD, dir_fd=parent), False
        return os.open(name, os.O_RDONLY | _DIRECTORY, dir_fd=parent), True
    finally:
        os.close(parent)
