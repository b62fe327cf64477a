"""Checks: validation rules of the application, in addition to those that types express."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator
from itertools import islice
from string import Formatter
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

import msgspec

from unixsvc.domain.json import Json
from unixsvc.domain.validation.field_errors import FieldError, field_error, join
from unixsvc.domain.validation.type_forms import TypeForm, as_struct, fields_of, items_of, unnamed
from unixsvc.domain.validation.validator import Checker
from unixsvc.errors import ConfigError

__all__ = ["Check", "checker_for"]

_Structs: TypeAlias = dict[TypeForm, Checker]


class Check:
    """A validation rule in ``Annotated``: a function of the value, and a message for invalid values.

    ``Annotated[str, Check(is_iban, message="{value} is not an IBAN of {country}", country="DE")]``

    :param function: called with the value and the parameters; returns False or raises ValueError if the value
        is invalid.
    :param message: the error message; ``{value}`` and the names of parameters are replaced.
    :param parameters: keyword arguments of the function.
    :raises ConfigError: if the message contains another name.
    """

    def __init__(self, function: Callable[..., object], *, message: str, **parameters: object) -> None:
        fields = [name for _, name, _, _ in Formatter().parse(message) if name is not None]
        names = {re.split(r"[.\[]", field)[0] for field in fields}
        where = f"Check({getattr(function, '__name__', function)})"
        if "value" in parameters:
            raise ConfigError(where, "a parameter cannot be named 'value'", "it is the value to check")
        for name in sorted(names - {"value", *parameters}):
            raise ConfigError(where, f"the message contains {name!r}, which is not a parameter")
        self._function = function
        self._message = message
        self._parameters = parameters

    def errors(self, value: object, field: str) -> Iterator[FieldError]:
        """Yield an error if the value of a field is invalid."""
        try:
            valid = self._function(value, **self._parameters)
        except ValueError:
            valid = False
        if not valid:
            yield field_error(field, self._message.format(value=value, **self._parameters))


def checker_for(hint: TypeForm, structs: _Structs | None = None) -> Checker | None:
    """Combine the checks of a type, of its fields and of its items; None if there are none.

    :param structs: the checkers of the enclosing structs, for recursive types.
    :raises TypeError: for a check in a position that is not supported.
    """
    if not _has_check(hint, frozenset()):
        return None
    structs = {} if structs is None else structs
    hint = unnamed(hint)
    arguments = get_args(hint)
    origin = get_origin(hint)
    if origin is Annotated:
        own: list[Checker] = [each.errors for each in arguments[1:] if isinstance(each, Check)]
        return _all_of(own, checker_for(arguments[0], structs))
    if as_struct(hint) is not None:
        return _of_fields(hint, structs)
    if origin in (Union, types.UnionType):
        return _of_union(arguments, structs)
    items = _item_of(origin, arguments)
    nested = None if items is None else checker_for(items[0], structs)
    if items is None or nested is None:
        raise TypeError(f"a Check inside {hint} is not supported")
    return items[1](nested)


def _has_check(hint: TypeForm, seen: frozenset[TypeForm]) -> bool:
    """Return whether there is a check in a type.

    :param seen: the enclosing types: a type may contain itself.
    """
    if isinstance(hint, Check):
        return True
    if hint in seen:
        return False
    form = unnamed(hint)
    inside = get_args(form)
    if (fields := fields_of(form)) is not None:
        inside = tuple(each.type for each in fields)
    elif get_origin(form) is not Annotated and (items := items_of(form)) is not None:
        inside = (*items[0], items[1])
    return any(_has_check(each, seen | {hint}) for each in inside)


def _item_of(
    origin: object, arguments: tuple[TypeForm, ...]
) -> tuple[TypeForm, Callable[[Checker], Checker]] | None:
    """Return the type of the items of a container type, and the function that checks all items."""
    if origin in (list, set, frozenset) or (origin is tuple and arguments[1:] == (...,)):
        return arguments[0], _of_items
    if origin is dict and not _has_check(arguments[0], frozenset()):
        return arguments[1], _of_values
    return None


def _all_of(own: list[Checker], nested: Checker | None) -> Checker | None:
    """Combine the checks of a value, the first of which to fail is reported, and those of its parts."""
    if not own:
        return nested

    def check(value: object, field: str) -> Iterator[FieldError]:
        yield from islice((error for each in own for error in each(value, field)), 1)
        yield from () if nested is None else nested(value, field)

    return check


def _of_fields(struct: Any, structs: _Structs) -> Checker:  # Any: a class, or a generic one with arguments
    if struct in structs:
        return structs[struct]
    checkers: list[tuple[str, str, Checker]] = []

    def check(value: object, field: str) -> Iterator[FieldError]:
        for name, encoded, checker in checkers:
            yield from checker(getattr(value, name), join(field, encoded))

    structs[struct] = check  # before the fields, which may be of the same type
    for each in msgspec.structs.fields(struct):
        found = checker_for(each.type, structs)
        checkers += [] if found is None else [(each.name, each.encode_name, found)]
    return check


def _of_items(item: Checker) -> Checker:
    def check(value: Json, field: str) -> Iterator[FieldError]:
        for at, each in enumerate(value):
            yield from item(each, f"{field}[{at}]")

    return check


def _of_values(item: Checker) -> Checker:
    def check(value: Json, field: str) -> Iterator[FieldError]:
        for key, each in value.items():
            yield from item(each, join(field, str(key)))

    return check


def _of_union(members: tuple[TypeForm, ...], structs: _Structs) -> Checker:
    """Support unions with None only: which member of another union a value belongs to is unknown."""
    if len(members) > 2 or type(None) not in members:
        raise TypeError("a Check inside a union is supported only if the other member is None")
    [checker] = [found for each in members if (found := checker_for(each, structs)) is not None]
    return lambda value, field: iter(()) if value is None else checker(value, field)
