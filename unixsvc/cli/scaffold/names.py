"""The name of a new project, in all of its forms."""

from __future__ import annotations

import keyword
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import PathFinder
from typing import Final

from msgspec import Struct

from unixsvc.config.settings import CONTROL_SERVICE, HTTP_SERVICE
from unixsvc.errors import ConfigError

__all__ = ["ProjectName"]

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*")
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONGEST: Final = 31  # of the names of users, see useradd(8)
# Folders of the project, and names of services that the framework has itself.
_RESERVED: Final = frozenset({"deploy", "tests", CONTROL_SERVICE, HTTP_SERVICE})
_REMEDY: Final = "choose another name"


class ProjectName(Struct, frozen=True):
    """The name of a project.

    :ivar folder: as the user has written it.
    :ivar service: in lower case, with hyphens; also the name of the distribution and of the system's user.
    :ivar package: in lower case, with underscores.
    :ivar title: in words, with a capital.
    """

    folder: str
    service: str
    package: str
    title: str

    @classmethod
    def parse(cls, text: str, path: Sequence[str]) -> ProjectName:
        """Read a name in any casing: ``my-shop``, ``my_shop``, ``MyShop``.

        :param path: the import path; a package there must not have the name.
        :raises ConfigError: if the project could not have this name.
        """
        if not _NAME.fullmatch(text):
            remedy = "use letters, digits, '-' and '_', with a letter first"
            raise ConfigError(repr(text), "is not a valid name for a project", remedy)
        package = _WORD_START.sub("_", text).replace("-", "_").lower()
        if len(package) > _LONGEST:
            raise ConfigError(text, f"has more than {_LONGEST} characters", _REMEDY)
        if keyword.iskeyword(package) or package in _RESERVED:
            raise ConfigError(text, "is reserved", _REMEDY)
        _refuse_known_module(text, package, path)
        title = package.replace("_", " ").capitalize()
        return cls(text, package.replace("_", "-"), package, title)


def _refuse_known_module(text: str, package: str, path: Sequence[str]) -> None:
    """Refuse a name under which workers would import another module, as the project is last on their path."""
    if package in sys.stdlib_module_names:
        raise ConfigError(text, f"Python's standard library has a module {package!r}", _REMEDY)
    others = [place for place in path if os.path.realpath(place) != os.getcwd()]
    found = PathFinder.find_spec(package, others)
    if found is not None and found.loader is not None:
        raise ConfigError(text, f"a module {package!r} is installed: {found.origin}", _REMEDY)
