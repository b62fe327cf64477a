"""Environment variables that stand for keys of the configuration, as ``UNIXSVC_LIMITS__BACKLOG``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from unixsvc.config.sources.layers import Layer, Layers
from unixsvc.config.sources.typed_text import is_unicode, type_of_key, value_of
from unixsvc.domain.validation.type_forms import TypeForm, bare, fields_of, members_of, values_of
from unixsvc.errors import ConfigError

__all__ = ["add_variables", "is_table_variable"]

_PREFIX: Final = "UNIXSVC_"
_SEPARATOR: Final = "__"
_REMEDY: Final = "write numbers, lists and tables as in TOML"


def is_table_variable(name: str) -> bool:
    """True if an environment variable stands for a key in a table.

    Without the double underscore it may be something else: ``UNIXSVC_TOKEN`` is the token, and Kubernetes
    sets ``UNIXSVC_PORT`` for a service named ``unixsvc``.
    """
    return name.startswith(_PREFIX) and _SEPARATOR in name[len(_PREFIX) - 1 :]


def add_variables(
    layers: Layers, type_form: TypeForm, environ: Mapping[str, str], keys: Iterable[str] | None = None
) -> None:
    """Add a layer for each environment variable that stands for a key.

    :param type_form: of the whole configuration.
    :param keys: the keys at the top that count; None for all.
    :raises ConfigError: if a variable may stand for several keys, or is not valid UTF-8.
    """
    plain = {
        f"{_PREFIX}{each.encoded.upper()}"
        for each in fields_of(type_form) or ()
        if not any(_is_table(member) for member in members_of(each.type))
    }
    for name in sorted(environ):
        if not (is_table_variable(name) or name in plain):
            continue
        where = f"the environment variable {name}"
        path = [*_path(name.removeprefix(_PREFIX), layers.table, type_form, where)]
        if keys is not None and path[0] not in keys:
            continue
        layers.add(Layer(where, _nested(path, environ[name], layers.table, type_form, where), remedy=_REMEDY))


def _is_table(type_form: TypeForm) -> bool:
    return fields_of(type_form) is not None or values_of(type_form) is not None


def _path(rest: str, table: Any, type_form: TypeForm, where: str) -> Iterator[str]:
    """The key of each table on the way.

    A key that exists is found by its name in capitals; a new one is in lower case, except where the names are
    those of the user, such as the variables of a service.
    """
    if not rest:
        return
    fields = next((found for each in members_of(type_form) if (found := fields_of(each)) is not None), ())
    known = [each.encoded for each in fields] or ([*table] if isinstance(table, dict) else [])
    matches = [key for key in known if _matches(key, rest)]
    longest = max((len(key) for key in matches), default=0)
    matches = [key for key in matches if len(key) == longest]
    if len(matches) > 1:
        names = " or ".join(map(repr, matches))
        raise ConfigError(where, f"may stand for {names}", "set the key in a file")
    if matches:
        key, rest = matches[0], rest[longest:].removeprefix(_SEPARATOR)
    else:
        key, _, rest = rest.partition(_SEPARATOR)
        key = key if _has_own_names(type_form) else key.lower()
    yield key
    inner = table.get(key) if isinstance(table, dict) else None
    yield from _path(rest, inner, type_of_key(type_form, key), where)


def _matches(key: str, rest: str) -> bool:
    name, upper = key.upper().replace("-", "_"), rest.upper()
    return upper == name or upper.startswith(name + _SEPARATOR)


def _has_own_names(type_form: TypeForm) -> bool:
    """True for a table of strings with any keys."""
    found = (values_of(each) for each in members_of(type_form))
    return any(each is not None and bare(each[1]) is str for each in found)


def _nested(path: list[str], text: str, table: Any, type_form: TypeForm, where: str) -> dict[str, Any]:
    if not is_unicode(text):
        raise ConfigError(where, "is not valid UTF-8", "set it again in UTF-8")
    for key in path:
        type_form = type_of_key(type_form, key)
        table = table.get(key) if isinstance(table, dict) else None
    value = value_of(text, type_form, table)
    for key in reversed(path):
        value = {key: value}
    found: dict[str, Any] = value
    return found
