"""The keys of objects that stand for other types than text."""

from __future__ import annotations

from itertools import islice
from types import GenericAlias

import msgspec

from unixsvc.domain.validation.field_errors import NOT_FINITE, located
from unixsvc.domain.validation.formats import ENCODED
from unixsvc.domain.validation.numbers import is_odd
from unixsvc.domain.validation.type_forms import TypeForm

__all__ = ["key_problems"]


def key_problems(key: TypeForm, names: list[str]) -> dict[str, str]:
    """Return the problems with the keys of an object, by key.

    The search is by halves, as valid keys need no look at each.

    :param key: the type of the keys.
    """
    if len(names) != 1:
        middle = len(names) // 2
        if not names or not _first_problem(key, names):
            return {}
        return key_problems(key, names[:middle]) | key_problems(key, names[middle:])
    return _first_problem(key, names)


def _first_problem(key: TypeForm, names: list[str]) -> dict[str, str]:
    """Return the first problem with the keys of an object."""
    keys = msgspec.json.encode(dict.fromkeys(names))
    try:
        found = ENCODED.convert(keys, GenericAlias(dict, (key, None)))
    except msgspec.ValidationError as error:
        return {names[0]: located(error, "").message}
    odd = (name for name, each in zip(names, found, strict=False) if is_odd(name, each))
    return dict.fromkeys(islice(odd, 1), NOT_FINITE)
