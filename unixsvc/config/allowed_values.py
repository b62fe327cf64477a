"""Which values a key of the configuration may have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args, get_origin

from unixsvc.domain.validation.type_forms import TypeForm, as_struct, bare, fields_of, members_of, values_of

__all__ = ["allowed_values"]


def allowed_values(kind: TypeForm, field: str) -> str:
    """Return the values that a key may have, as ``: use a number or 'auto'``; empty if none are listed.

    :param kind: the type of the whole configuration.
    :param field: the key, with those of the tables around it, as ``log.level``.
    """
    forms = list(_types_of(kind, field.split(".")))
    values = [repr(value) for form in forms if get_origin(form) is Literal for value in get_args(form)]
    if not values:
        return ""
    if any(form in (int, float) for form in forms):
        values.insert(0, "a number")
    *others, last = values
    return f": use {', '.join(others)} or {last}" if others else f": use {last}"


def _types_of(form: TypeForm, keys: Sequence[str]) -> Iterator[TypeForm]:
    """The members of the type of a key, in a value of a type."""
    for member in map(bare, members_of(form)):
        if not keys:
            yield member
        elif fields := fields_of(member):
            for field in fields:
                if field.encoded == keys[0]:
                    yield from _types_of(field.type, keys[1:])
        elif values := values_of(member):
            is_table = any(as_struct(each) for each in members_of(values[1]))
            # The names of tables have no points; those of loggers may have some.
            yield from _types_of(values[1], keys[1:] if is_table else ())
