"""Text as the value of a key: environment variables have no types, keys do."""

from __future__ import annotations

import tomllib
from typing import Any, Final, Literal, get_origin

from unixsvc.domain.validation.type_forms import (
    TypeForm,
    bare,
    fields_of,
    items_of,
    members_of,
    values_of,
)

__all__ = ["is_unicode", "type_of_item", "type_of_key", "value_of"]

_CONTAINERS: Final = (list, dict)


def is_unicode(text: str) -> bool:
    """False if a text has bytes that are not valid UTF-8, which Python represents as surrogates."""
    return not any("\ud800" <= each <= "\udfff" for each in text)


def type_of_key(type_form: TypeForm, key: str) -> TypeForm:
    """The type of one key of a table; ``Any`` if the table does not have the key, or has any keys."""
    for member in members_of(type_form):
        if (fields := fields_of(member)) is not None:
            return next((each.type for each in fields if each.encoded == key), Any)
        if (values := values_of(member)) is not None:
            return values[1]
    return Any


def type_of_item(type_form: TypeForm) -> TypeForm:
    """The type of the items of a list; ``Any`` if it has none."""
    found = (items_of(member) for member in members_of(type_form))
    return next((each[1] or Any for each in found if each is not None), Any)


def value_of(text: str, type_form: TypeForm, current: Any = None) -> Any:
    """A text as a value of a type.

    Strings are the text itself, other values are written as in TOML. A text that is no value of TOML stays a
    string, which the check of all values refuses.

    :param current: the present value of the key, for keys of any type: the new one has the same type.
    """
    members = [bare(member) for member in members_of(type_form)]
    if Any in members:
        return text if current is None or isinstance(current, str) else _decode(text)
    if all(get_origin(member) is Literal for member in members):
        return text
    if str not in members:
        return _decode(text)
    is_list = any(items_of(member) is not None for member in members)
    value = _decode(text) if is_list else text
    return value if isinstance(value, _CONTAINERS) else text


def _decode(text: str) -> Any:
    try:
        found = tomllib.loads(f"value = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
    return found["value"] if len(found) == 1 else text
