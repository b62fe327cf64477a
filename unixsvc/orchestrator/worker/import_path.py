"""Who can change the code that workers import, and which modules of an application cannot be imported."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from twisted.logger import Logger

from unixsvc.config.settings import Settings
from unixsvc.errors import ConfigError
from unixsvc.orchestrator.worker.privileges import find_privileges

__all__ = ["hidden_modules", "log_unsafe_places", "unsafe_places"]


def unsafe_places(settings: Settings, path: Sequence[str], euid: int) -> list[str]:
    """The code and configuration that users can change who should not: one line for each place.

    :param path: the import path of this process.
    :param euid: its user; if it is not root, there is nothing to find.
    """
    if euid != 0:
        return []
    found: dict[str, str] = {}  # by the reason, as one place is often unsafe for several purposes
    for file in filter(os.path.exists, settings.files):
        for reason in _changed_by_others(file, {0}):
            problem = "who could replace it and become root at the next start or reload"
            found.setdefault(reason, f"{file}: {reason}, {problem}; let only root write there")
    for place in path:
        for reason in _changed_by_others(place, {0}):
            problem = "who could run code as root, as it is on the import path"
            found.setdefault(reason, f"{place}: {reason}, {problem}; let only root write there")
    for place in _interpreter_places(settings.python):
        for reason in _changed_by_others(place, {0}):
            problem = "who could run code as root, as workers start with that Python"
            found.setdefault(reason, f"{place}: {reason}, {problem}; let only root write there")
    for name, service in settings.services.items():
        user = 0
        with contextlib.suppress(ConfigError):  # there is no such user, which is reported for itself
            user = find_privileges(service, f"services.{name}", euid).uid or 0
        for reason in _changed_by_others(settings.folder, {0, user}):
            problem = "who could change its application; let only its own user write there"
            found.setdefault(reason, f"services.{name}: {reason}, {problem}")
    return list(found.values())


def log_unsafe_places(log: Logger, settings: Settings) -> None:
    """Log a warning for each unsafe place of this process."""
    for place in unsafe_places(settings, sys.path, os.geteuid()):
        log.warn("{place}", place=place)


def hidden_modules(folder: str, path: Sequence[str]) -> Mapping[str, str]:
    """The modules of an application that cannot be imported, as others of the same name precede them.

    :param folder: of the application, which is last on the import path.
    :param path: the import path of this process.
    :returns: by the path of the module, what is imported instead.
    """
    others = [place for place in path if os.path.realpath(place) != os.path.realpath(folder)]
    hidden = {}
    for place, name in _modules(folder):
        if name in sys.stdlib_module_names:
            hidden[place] = f"the module {name!r} of Python's standard library"
        elif (found := PathFinder.find_spec(name, others)) and found.loader is not None:
            hidden[place] = str(found.origin)
    return hidden


def _modules(folder: str) -> Iterator[tuple[str, str]]:
    """The paths and names of the modules and packages in a folder."""
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.stem.isidentifier() and _is_module(entry):
            yield str(entry), entry.stem


def _is_module(entry: Path) -> bool:
    return entry.is_file() if entry.suffix == ".py" else (entry / "__init__.py").is_file()


def _changed_by_others(path: str, trusted: Collection[int]) -> Iterator[str]:
    """Why users other than the trusted ones could change what is at a path; nothing if they cannot."""
    for place in _with_parents(path):
        try:
            state = os.lstat(place)
        except OSError:
            continue
        if state.st_uid not in trusted:
            yield f"{place} belongs to {_user(state.st_uid)}"
            return
        shared = stat.S_IWOTH | (stat.S_IWGRP if state.st_gid else 0)
        is_safe_parent = place != path and state.st_mode & stat.S_ISVTX  # as /tmp
        if not stat.S_ISLNK(state.st_mode) and state.st_mode & shared and not is_safe_parent:
            yield f"{place} can be written by other users (mode {stat.S_IMODE(state.st_mode):04o})"
            return


def _with_parents(path: str) -> Iterator[str]:
    """A path and the folders that lead to it, also where symbolic links lead to."""
    for each in dict.fromkeys((os.path.abspath(path), os.path.realpath(path))):
        yield each
        yield from map(str, Path(each).parents)


def _interpreter_places(python: str) -> list[str]:
    """An interpreter, and the folders of its packages."""
    environment = os.path.dirname(os.path.dirname(python))
    return [python, *map(str, Path(environment).glob("lib/python3*/site-packages"))] if python else []


def _user(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"
