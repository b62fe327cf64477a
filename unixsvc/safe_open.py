"""Opens files that another user may have put there, to have others overwritten: as Postfix's safe_open(3)."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from unixsvc.errors import ConfigError

__all__ = ["check_pidfile", "open_for_writing"]

_MAX_LINKS: Final = 40  # as in the kernel, path_resolution(7)
_OPEN_LINK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def open_for_writing(path: str, flags: int, mode: int) -> int:
    """Open a file as :func:`os.open`, unless another user has put it there.

    Each symbolic link is followed if it belongs to this user or root, as with the kernel's setting
    ``fs.protected_symlinks``, but in every directory. Where others can create files, the file must be one of
    this user or root, and a regular file must have one name only.

    :raises OSError: if it cannot be opened, or must not.
    """
    for _ in range(_MAX_LINKS):
        try:
            descriptor = os.open(path, flags if _is_open_file(path) else flags | os.O_NOFOLLOW, mode)
            break
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            path = _follow(path)
    else:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    problem = _problem_with(os.fstat(descriptor)) if _is_open_to_others(path) else ""
    if problem:
        os.close(descriptor)
        raise OSError(errno.EPERM, problem, path)
    return descriptor


def check_pidfile(path: str) -> None:
    """Check that ``twistd`` can write a pidfile: it follows symbolic links, and truncates what is there.

    :raises ConfigError: if another user can choose the file that is written.
    """
    try:
        if _is_foreign(os.lstat(path)):
            raise ConfigError(path, "the pidfile belongs to another user", "choose another --pidfile")
    except OSError:
        pass  # it does not exist yet
    folder = os.path.dirname(os.path.abspath(path))
    if _is_open_to_others(path, sticky=False):
        problem = f"others can write to the directory of the pidfile, {folder}"
        raise ConfigError(path, problem, "choose another --pidfile")


def _is_open_file(path: str) -> bool:
    """Whether a path leads into procfs, as /dev/stdout: a link to an open file has no path as its target."""
    return os.path.realpath(os.path.dirname(path)).startswith("/proc/")


def _follow(path: str) -> str:
    """The target of a symbolic link."""
    link = os.open(path, _OPEN_LINK)  # what is read next is of this link, and not of one that replaces it
    try:
        uid, target = os.fstat(link).st_uid, os.readlink("", dir_fd=link)
    finally:
        os.close(link)
    if uid not in _trusted():
        raise OSError(errno.ELOOP, f"a symbolic link of another user (uid {uid})", path)
    return os.path.join(os.path.dirname(path), target)


def _problem_with(state: os.stat_result) -> str:
    if _is_foreign(state):
        return f"a file of another user (uid {state.st_uid}), in a directory that others can write to"
    if stat.S_ISREG(state.st_mode) and state.st_nlink > 1:
        return "a hard link, in a directory that others can write to"
    return ""


def _is_open_to_others(path: str, *, sticky: bool = True) -> bool:
    """Whether other users can create files in the directory of a file.

    :param sticky: false to ignore directories where they cannot replace files, as ``/tmp``.
    """
    try:
        state = os.stat(os.path.dirname(os.path.abspath(path)))
    except OSError:
        return False
    if _is_foreign(state):
        return True
    return bool(state.st_mode & stat.S_IWOTH) and (sticky or not state.st_mode & stat.S_ISVTX)


def _is_foreign(state: os.stat_result) -> bool:
    return state.st_uid not in _trusted()


def _trusted() -> tuple[int, int]:
    return os.geteuid(), 0
