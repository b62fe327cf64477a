"""What a worker gives up: the orchestrator finds out what that is, and the worker does it."""

from __future__ import annotations

import grp
import os
import pwd
import re
import resource
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from unixsvc.config.settings import ServiceSettings
from unixsvc.errors import ConfigError
from unixsvc.service.spec import Privileges

__all__ = ["drop", "find_privileges"]

# A worker has about 20 descriptors of its own, and opens files while it imports its application.
_FEWEST_FILES: Final = 64
_NUMBER = re.compile("[0-9]{1,10}")
_HIGHEST_ID: Final = 2**32 - 2  # the one above means "unchanged" to setresuid(2)


class _User(Struct, frozen=True):
    uid: int
    gid: int | None = None
    home: str = "/"
    name: str = ""


def find_privileges(settings: ServiceSettings, where: str, euid: int) -> Privileges:
    """What the settings of a service mean on this machine.

    :param where: they stand, for messages.
    :param euid: the user that the orchestrator runs as.
    :raises ConfigError: if there is no such user or group, or if we may not do that.
    """
    limits = settings.rlimits
    _check_limit(resource.RLIMIT_NOFILE, limits.open_files, f"{where}.rlimits.open_files", euid)
    _check_limit(resource.RLIMIT_AS, limits.memory, f"{where}.rlimits.memory", euid)
    if limits.open_files is not None and limits.open_files < _FEWEST_FILES:
        raise ConfigError(
            f"{where}.rlimits.open_files", "is too little for a worker", f"use at least {_FEWEST_FILES}"
        )
    user = _find_user(settings.user, f"{where}.user") if settings.user else None
    gid = _find_group(settings.group, f"{where}.group") if settings.group else None
    umask = int(settings.umask, 8) if settings.umask else None
    kept = Privileges(umask=umask, open_files=limits.open_files, memory=limits.memory)
    if euid == 0:
        return _change(kept, user, gid, where)
    if user is not None and user.uid != euid:
        raise _only_root(f"{where}.user")
    if gid is not None and gid != os.getegid():
        raise _only_root(f"{where}.group")
    return kept  # not even our own groups may be set again by us


def drop(privileges: Privileges) -> None:
    """Give them up, for good. To be called before anything of the application is loaded.

    :raises ConfigError: if that cannot be; the process must end then.
    """
    try:
        _limit(resource.RLIMIT_NOFILE, privileges.open_files)
        _limit(resource.RLIMIT_AS, privileges.memory)
        if privileges.gid is not None:
            os.setgroups(privileges.groups)
            os.setresgid(privileges.gid, privileges.gid, privileges.gid)
        if privileges.uid is not None:
            # Last: who is not root any more could change no group.
            os.setresuid(privileges.uid, privileges.uid, privileges.uid)
    except (OSError, ValueError) as error:
        raise ConfigError("user, group or rlimits", f"cannot be set: {error}") from None
    if privileges.uid is not None:
        _verify(privileges.uid)
        _describe(privileges)
    if privileges.umask is not None:
        os.umask(privileges.umask)


def _change(kept: Privileges, user: _User | None, gid: int | None, where: str) -> Privileges:
    if user is None:
        return kept if gid is None else replace(kept, gid=gid, groups=(gid,))
    gid = user.gid if gid is None else gid
    if gid is None:
        raise ConfigError(f"{where}.user", f"the user {user.uid} has no group", f"set {where}.group as well")
    groups = os.getgrouplist(user.name, gid) if user.name else [gid]
    return replace(kept, uid=user.uid, gid=gid, groups=tuple(groups), home=user.home, name=user.name)


def _find_user(text: str, where: str) -> _User:
    number = _id_of(text)
    try:
        entry = pwd.getpwnam(text)
    except (KeyError, ValueError):
        if number is None:
            raise ConfigError(where, f"there is no user {text!r}", "make one, or name another") from None
        try:
            entry = pwd.getpwuid(number)
        except KeyError:
            return _User(number)
    return _User(entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_name)


def _find_group(text: str, where: str) -> int:
    try:
        return grp.getgrnam(text).gr_gid
    except (KeyError, ValueError):
        number = _id_of(text)
    if number is None:
        raise ConfigError(where, f"there is no group {text!r}", "make one, or name another")
    return number


def _id_of(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) and int(text) <= _HIGHEST_ID else None


def _check_limit(kind: int, wanted: int | None, where: str, euid: int) -> None:
    highest = resource.getrlimit(kind)[1]
    if wanted is not None and euid != 0 and wanted > highest != resource.RLIM_INFINITY:
        raise ConfigError(where, f"only root can go beyond {highest}", "use less, or raise the hard limit")


def _only_root(where: str) -> ConfigError:
    return ConfigError(where, "only root can run workers as another user", "leave it out, or start as root")


def _limit(kind: int, value: int | None) -> None:
    if value is not None:
        resource.setrlimit(kind, (value, value))


def _describe(privileges: Privileges) -> None:
    os.environ["HOME"] = privileges.home
    for variable in "USER", "LOGNAME":
        os.environ.pop(variable, None)  # else one without a name would seem to be whoever started us
        if privileges.name:
            os.environ[variable] = privileges.name


def _verify(uid: int) -> None:
    if uid == 0:
        return
    try:
        os.setuid(0)
    except OSError:
        return
    raise ConfigError(
        f"user {uid}",
        "could become root again",
        "start the orchestrator without secure bits, capabilities(7)",
    )
