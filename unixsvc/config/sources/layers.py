"""Layers of configuration: files over files, and environment variables over all of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from unixsvc.errors import ConfigError

__all__ = ["Layer", "Layers"]

_INDEX: Final = re.compile(r"\[[0-9]+\]")


class Layer(Struct, frozen=True):
    """The values of one file or one environment variable.

    :ivar name: the file or the variable, for messages.
    :ivar text: of the file.
    :ivar references: in the values, by the name of the key.
    :ivar remedy: added to messages about types of its values.
    :ivar prefix: of its keys in the text, if it is one of the tables there.
    """

    name: str
    table: dict[str, Any]  # values of TOML
    text: str = ""
    references: Mapping[str, tuple[str, ...]] = {}
    remedy: str = ""
    prefix: str = ""

    def is_outside(self, field: str) -> bool:
        """True if the value of a key is not in a file: it may be a secret, and messages do not quote it."""
        return not self.text or _INDEX.sub("", field) in self.references

    def where(self, field: str) -> str:
        """The name of a key in messages."""
        return f"{self.name}: {self.prefix}{field}"

    def place_of(self, field: str) -> str:
        """Where a key is: the file and the line, or the variable."""
        line = _lines_of(self.text).get(self.prefix + field) if self.text else None
        return f"{self.name}:{line}" if line else self.name


class Layers:
    """All layers, the later ones over the earlier ones: tables are merged, other values are replaced.

    :ivar table: the result.
    :ivar source: all files, for messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self.table: dict[str, Any] = {}
        self._layers: list[Layer] = []

    def add(self, layer: Layer) -> None:
        """Add a layer over the others."""
        self.table = _merged(self.table, layer.table)
        self._layers.append(layer)

    def layer_of(self, field: str) -> Layer | None:
        """The layer that has the value of a key; None if it is a default."""
        return next((each for each in reversed(self._layers) if _contains(each.table, field)), None)

    def source_of(self, field: str) -> Layer:
        """The layer that caused a problem with a key, or with the table around it."""
        field = _INDEX.sub("", field)
        while field:
            layer = self.layer_of(field)
            if layer is not None:
                return layer
            field = field.rpartition(".")[0]
        return Layer(self.source, {})

    def error(self, errors: Iterable[tuple[str, str]]) -> ConfigError:
        """One error for several keys, each with the layer that it is from.

        :param errors: the names of the keys, and their problems, which begin with the names.
        """
        problems: dict[str, list[str]] = {}
        remedies: dict[str, None] = {}
        for field, problem in errors:
            layer = self.source_of(field)
            problems.setdefault(layer.name, []).append(f"{layer.prefix}{problem}")
            remedies[layer.remedy if "expected" in problem else ""] = None
        (where, first), *others = ((name, "; ".join(found)) for name, found in problems.items())
        rest = "".join(f"; {name}: {found}" for name, found in others)
        return ConfigError(where, first + rest, "; ".join(filter(None, remedies)))

    def located(self, error: ConfigError) -> ConfigError:
        """An error about a key of all files, as one about the layer that has the key."""
        prefix = f"{self.source}: "
        if len(self._layers) < 2 or not error.where.startswith(prefix):
            return error
        field = error.where.removeprefix(prefix)
        return ConfigError(self.source_of(field).where(field), error.problem, error.remedy)


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        before = merged.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            value = _merged(before, value)
        merged[key] = value
    return merged


def _contains(table: Any, field: str) -> bool:
    """True if a table has a key, named with the keys around it; a key may itself have dots."""
    if not field:
        return True
    if not isinstance(table, dict):
        return False
    return any(
        field == key or (field.startswith(f"{key}.") and _contains(value, field[len(key) + 1 :]))
        for key, value in table.items()
    )


@lru_cache(16)
def _lines_of(text: str) -> dict[str, int]:
    """The line of each key and table of a valid TOML document.

    Each statement is a document of its own, and none of its beginnings is one: the lines of a statement end
    where they are valid for the first time.
    """
    import tomllib  # late: every worker loads this module, and only messages and 'check --show' need lines

    found: dict[str, int] = {}
    header, start, statement = "", 1, ""
    for number, line in enumerate(text.split("\n"), 1):
        statement += f"{line}\n"
        try:
            fields = [*_fields(tomllib.loads(statement))]
        except (tomllib.TOMLDecodeError, RecursionError):
            continue
        if statement.lstrip().startswith("["):
            prefix, header = "", fields[-1]
        else:
            prefix = f"{header}." if header else ""
        for field in fields:
            found.setdefault(prefix + field, start)
        statement, start = "", number + 1
    return found


def _fields(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield key
        if isinstance(value, dict):
            yield from (f"{key}.{each}" for each in _fields(value))
