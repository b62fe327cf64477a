"""Checks of an application's own, besides those that types express."""

from __future__ import annotations

import dataclasses
import re
import types
from collections.abc import Callable, Iterator, Mapping
from string import Formatter
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import msgspec

from unixsvc.domain.validation import FieldError, field_error, join
from unixsvc.errors import ConfigError

__all__ = ["Check", "Checker", "checker_for"]

# Lazy, so that a megabyte of wrong items costs no more than the problems that are told.
Checker = Callable[[Any, str], Iterator[FieldError]]


class Check:
    """Stands in ``Annotated``: a function of the value, and what to say where it answers False.

    ``Annotated[str, Check(is_iban, message="{value} is no IBAN of {country}", country="DE")]``

    :param function: called with the value and the parameters; a ValueError counts as False.
    :param message: what the caller is told, with ``{value}`` and the parameters filled in.
    :param parameters: handed to the function by name.
    :raises ConfigError: if the message names something else.
    """

    def __init__(self, function: Callable[..., object], *, message: str, **parameters: Any) -> None:
        places = [name for _, name, _, _ in Formatter().parse(message) if name is not None]
        named = {re.split(r"[.\[]", name)[0] for name in places}
        where = f"Check({getattr(function, '__name__', function)})"
        if "value" in parameters:
            raise ConfigError(where, "'value' is no name for a parameter", "it is what is checked")
        for name in sorted(named - {"value", *parameters}):
            raise ConfigError(where, f"the message has a place for {name!r}, which is no parameter")
        self._function = function
        self._message = message
        self._parameters = parameters

    def problems(self, value: Any, field: str) -> Iterator[FieldError]:
        """What is wrong with the value that stands at ``field``; empty if nothing is."""
        try:
            fine = self._function(value, **self._parameters)
        except ValueError:
            fine = False  # how many a parser says that it cannot take a value
        if not fine:
            yield field_error(field, self._message.format(value=value, **self._parameters))


def checker_for(kind: Any, known: dict[Any, Checker] | None = None) -> Checker | None:
    """Gather the checks in a type, also those of its fields and items; None if there are none.

    :param known: the structs around this one, for a type that contains itself.
    :raises TypeError: for a check that stands where it would not be looked at.
    """
    if not _has_check(kind, frozenset()):
        return None
    known = {} if known is None else known
    arguments = get_args(kind)
    origin = get_origin(kind)
    if origin is Annotated:
        own: list[Checker] = [each.problems for each in arguments[1:] if isinstance(each, Check)]
        nested = checker_for(arguments[0], known)
        return _all_of([*own, *([nested] if nested else [])])
    if _is_struct(kind):
        return _of_fields(kind, known)
    if origin in (Union, types.UnionType):
        return _of_union(arguments, known)
    items = _item_of(origin, arguments)
    nested = None if items is None else checker_for(items[0], known)
    if items is None or nested is None:
        raise TypeError(f"a Check inside {kind} would not be looked at")
    return items[1](nested)


def _has_check(kind: Any, seen: frozenset[Any]) -> bool:
    if isinstance(kind, Check):
        return True
    inside = get_args(kind)
    if kind not in seen and _is_struct(kind):
        seen |= {kind}
        inside = tuple(each.type for each in msgspec.structs.fields(kind))
    elif dataclasses.is_dataclass(kind) or is_typeddict(kind) or hasattr(kind, "_fields"):
        inside = tuple(get_type_hints(kind, include_extras=True).values())
    return any(_has_check(each, seen) for each in inside)


def _is_struct(kind: Any) -> bool:
    bare = get_origin(kind) or kind
    return isinstance(bare, type) and issubclass(bare, msgspec.Struct)


def _item_of(origin: Any, arguments: tuple[Any, ...]) -> tuple[Any, Callable[[Checker], Checker]] | None:
    """Of a type that holds others: the one whose checks are looked at, and how."""
    if origin in (list, set, frozenset) or (origin is tuple and arguments[1:] == (...,)):
        return arguments[0], _of_items
    if origin is dict and not _has_check(arguments[0], frozenset()):
        return arguments[1], _of_values
    return None


def _all_of(checkers: list[Checker]) -> Checker | None:
    if len(checkers) < 2:
        return checkers[0] if checkers else None
    return lambda value, field: (problem for check in checkers for problem in check(value, field))


def _of_fields(kind: Any, known: dict[Any, Checker]) -> Checker:
    if kind in known:
        return known[kind]
    checkers: list[tuple[str, str, Checker]] = []

    def check(value: Any, field: str) -> Iterator[FieldError]:
        for name, encoded, checker in checkers:
            yield from checker(getattr(value, name), join(field, encoded))

    known[kind] = check  # before its fields, which may be of this kind again
    for each in msgspec.structs.fields(kind):
        found = checker_for(each.type, known)
        checkers += [] if found is None else [(each.name, each.encode_name, found)]
    return check


def _of_items(item: Checker) -> Checker:
    def check(value: Any, field: str) -> Iterator[FieldError]:
        for at, each in enumerate(value):
            yield from item(each, f"{field}[{at}]")

    return check


def _of_values(item: Checker) -> Checker:
    def check(value: Mapping[Any, Any], field: str) -> Iterator[FieldError]:
        for key, each in value.items():
            yield from item(each, join(field, str(key)))

    return check


def _of_union(members: tuple[Any, ...], known: dict[Any, Checker]) -> Checker:
    """Only None may stand beside the one member that has checks: which member a value is of is known."""
    checkers = [found for each in members if (found := checker_for(each, known)) is not None]
    if len(members) > 2 or type(None) not in members:
        raise TypeError("a Check inside a union works only beside None")
    checker = checkers[0]
    return lambda value, field: iter(()) if value is None else checker(value, field)
