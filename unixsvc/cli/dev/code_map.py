"""Which services a changed file belongs to."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import PurePath
from typing import Final

from msgspec import Struct

from unixsvc.config.file import NO_APP
from unixsvc.config.settings import ServiceSettings, Settings, start_order

__all__ = ["ALL", "CodeMap", "find_code", "make_code_map"]

ALL: Final = ("",)
"""All services, as the control API names them."""
_FRAMEWORK: Final = "unixsvc"
_TESTS: Final = "tests"


class CodeMap(Struct, frozen=True):
    """The code of each service. All paths are absolute, without symbolic links.

    :ivar code: the files and folders of each service, in the order of their start.
    :ivar folder: the folder of the configuration; empty if there is none. Python files there that belong to
        no service may be used by all.
    :ivar config: the configuration files.
    """

    code: Mapping[str, Sequence[str]]
    folder: str
    config: Sequence[str]

    @property
    def watched(self) -> list[str]:
        """The folders to watch, without those below another one."""
        places = [place for places in self.code.values() for place in places]
        folders = {self.folder} if self.folder else set()
        folders |= {os.path.dirname(each) for each in self.config}
        folders |= {os.path.dirname(each) if each.endswith(".py") else each for each in places}
        return [each for each in sorted(folders) if not any(_below(each, top) for top in folders - {each})]

    def affected(self, changed: AbstractSet[str]) -> Sequence[str]:
        """The services to reload; :data:`ALL` for all of them.

        :param changed: the changed paths, as absolute ones without symbolic links.
        """
        found: set[str] = set()
        for path in changed:
            owners = {
                name for name, places in self.code.items() if any(_below(path, each) for each in places)
            }
            if path in self.config or (not owners and self._is_shared(path)):
                return ALL
            found |= owners
        return (
            ALL if found and len(found) == len(self.code) else [name for name in self.code if name in found]
        )

    def _is_shared(self, path: str) -> bool:
        if not self.folder or not _below(path, self.folder):
            return False
        inside = PurePath(path).relative_to(self.folder)
        is_test = inside.parts[0] == _TESTS or inside.name.startswith("test_") or inside.name == "conftest.py"
        return not is_test


def make_code_map(settings: Settings, path: Sequence[str]) -> CodeMap:
    """Find the code of the configured services.

    :param path: the import path of the workers, without the folder of the configuration.
    """
    code = {}
    for name in start_order(settings.services):
        places = (find_code(spec, [*path, settings.folder]) for spec in _objects(settings.services[name]))
        code[name] = [os.path.realpath(each) for each in places if each]
    # The demo has no files, and no folder of its own.
    folder = os.path.realpath(settings.folder) if settings.files else ""
    return CodeMap(code, folder, [os.path.realpath(each) for each in settings.files])


def find_code(spec: str, path: Sequence[str]) -> str | None:
    """The code that belongs to an object: the folder of its package, or the file of a module without one.

    No code is executed for it.

    :param spec: ``package.module:name``.
    :param path: the import path.
    :returns: None if there is no such module.
    """
    places: Sequence[str] | None = path
    found: ModuleSpec | None = None
    parts = spec.partition(":")[0].split(".")
    for number in range(len(parts)):
        found = PathFinder.find_spec(".".join(parts[: number + 1]), places) if places is not None else None
        if found is None:
            return None
        places = found.submodule_search_locations
    if found is None:
        return None
    if places:
        return next(iter(places))
    if len(parts) > 1 and found.origin is not None:
        return os.path.dirname(found.origin)
    return found.origin if found.has_location else None


def _objects(service: ServiceSettings) -> list[str]:
    """The names of the application and the handler, without those of the framework."""
    return [
        each
        for each in (service.app, service.handler)
        if each != NO_APP and each.partition(".")[0] != _FRAMEWORK
    ]


def _below(path: str, place: str) -> bool:
    """Whether a path is a place or below it."""
    return path == place or path.startswith(place.rstrip("/") + "/")
