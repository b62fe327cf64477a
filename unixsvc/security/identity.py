"""Users and groups of this machine, by name or number."""

from __future__ import annotations

import grp
import pwd
import re
from typing import Final

from msgspec import Struct

from unixsvc.errors import ConfigError

__all__ = ["User", "find_group", "find_user"]

_NUMBER: Final = re.compile("[0-9]{1,10}")
_MAX_ID: Final = 2**32 - 2  # setresuid(2) takes 2**32 - 1 for "unchanged"


class User(Struct, frozen=True):
    """A user.

    :ivar gid: the primary group; None for a number without an entry.
    """

    uid: int
    gid: int | None = None
    home: str = "/"
    name: str = ""


def find_user(text: str, where: str) -> User:
    """Find a user. A number needs no entry.

    :param where: the key of the configuration, for messages.
    :raises ConfigError: if there is no such user.
    """
    number = _parse_id(text)
    try:
        entry = pwd.getpwnam(text)
    except (KeyError, ValueError):
        if number is None:
            remedy = "create it, or name another"
            raise ConfigError(where, f"there is no user {text!r}", remedy) from None
        try:
            entry = pwd.getpwuid(number)
        except KeyError:
            return User(number)
    return User(entry.pw_uid, entry.pw_gid, entry.pw_dir, entry.pw_name)


def find_group(text: str, where: str) -> int:
    """Find the number of a group. A number needs no entry.

    :param where: the key of the configuration, for messages.
    :raises ConfigError: if there is no such group.
    """
    try:
        return grp.getgrnam(text).gr_gid
    except (KeyError, ValueError):
        number = _parse_id(text)
    if number is None:
        raise ConfigError(where, f"there is no group {text!r}", "create it, or name another")
    return number


def _parse_id(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) and int(text) <= _MAX_ID else None
