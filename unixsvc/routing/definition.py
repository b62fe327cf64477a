"""Checks that the parts of an application are of the right kind, where its author writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from unixsvc.errors import ConfigError

__all__ = [
    "require_class",
    "require_day",
    "require_function",
    "require_items",
    "require_list",
    "require_mapping",
    "require_text",
]

_NAMES: Final = {"str": "text"}


def require_list(values: object, where: str, name: str, example: str) -> None:
    """Require a list or another sequence, but no text, which is one of letters.

    :param where: the application, group or route.
    :param name: of the argument.
    :param example: how it is written.
    :raises ConfigError: if it is something else.
    """
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise ConfigError(where, f"{name} is {_kind_of(values)}, not a list", f"write {example}")


def require_items(
    values: Sequence[object], kinds: type | tuple[type, ...], where: str, name: str, remedy: str
) -> None:
    """Require that all items of a list are of some types.

    :raises ConfigError: names the first one that is not.
    """
    for each in values:
        if not isinstance(each, kinds):
            raise ConfigError(where, f"{name} has {_kind_of(each)}", remedy)


def require_function(value: object, where: str, name: str) -> None:
    """Require a function, or another object that can be called.

    :raises ConfigError: if it cannot be called.
    """
    if not callable(value):
        remedy = "give the function itself, without calling it"
        raise ConfigError(where, f"{name} is {_kind_of(value)}, not a function", remedy)


def require_text(value: object, where: str, name: str) -> None:
    """Require a text.

    :raises ConfigError: if it is something else.
    """
    if not isinstance(value, str):
        raise ConfigError(where, f"{name} is {_kind_of(value)}, not a text", f'write {name}="..."')


def require_class(value: object, where: str, name: str) -> None:
    """Require a class, or None.

    :raises ConfigError: for an instance or something else.
    """
    if value is not None and not isinstance(value, type):
        kind = type(value).__name__
        problem = f"{name} is {_kind_of(value)}, not a class"
        raise ConfigError(where, problem, f"give the class, as {kind} instead of {kind}()")


def require_day(value: object, where: str, name: str) -> None:
    """Require a date, True, False or None.

    :raises ConfigError: if it is something else.
    """
    if not (value is None or isinstance(value, bool | date)):
        raise ConfigError(where, f"{name} is {_kind_of(value)}, not a day", f"write {name}=date(2027, 6, 30)")


def require_mapping(value: object, where: str, name: str, example: str) -> None:
    """Require a dict.

    :raises ConfigError: if it is something else.
    """
    if not isinstance(value, Mapping):
        raise ConfigError(where, f"{name} is {_kind_of(value)}, not a dict", f"write {example}")


def _kind_of(value: object) -> str:
    """The type of a value with its article; the value too, if it is short."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    kind = _NAMES.get(type(value).__name__, type(value).__name__)
    article = "an" if kind[0] in "aeiouAEIOU" else "a"
    shown = f" ({value!r})" if isinstance(value, str | int | float) and len(repr(value)) < 60 else ""
    return f"{article} {kind}{shown}"
