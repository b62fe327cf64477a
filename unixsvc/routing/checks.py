"""Checks of an application's own, besides those that types express."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from unixsvc.domain.checking import Problem

__all__ = ["Check", "Checker", "checker_for"]

Checker = Callable[[Any, str], list[Problem]]


class Check:
    """Stands in ``Annotated``: a function of the value, and what to say where it answers False.

    ``Annotated[str, Check(is_iban, message="{value} is no IBAN of {country}", country="DE")]``

    :param function: called with the value and the parameters; a ValueError counts as False.
    :param message: what the caller is told, with ``{value}`` and the parameters filled in.
    :param parameters: handed to the function by name.
    """

    def __init__(self, function: Callable[..., object], *, message: str, **parameters: Any) -> None:
        self._function = function
        self._message = message
        self._parameters = parameters

    def problems(self, value: Any, field: str) -> list[Problem]:
        """What is wrong with the value that stands at ``field``; empty if nothing is."""
        try:
            if self._function(value, **self._parameters):
                return []
        except ValueError:
            pass  # how many a parser says that it cannot take a value
        return [Problem(field, self._message.format(value=value, **self._parameters))]


def checker_for(kind: Any, seen: frozenset[Any] = frozenset()) -> Checker | None:
    """Gather the checks in a type, also those of its fields and items; None if there are none.

    :param seen: the structs around this one; a type that contains itself is looked into once.
    """
    if get_origin(kind) is Annotated:
        inner, *extras = get_args(kind)
        own: list[Checker] = [each.problems for each in extras if isinstance(each, Check)]
        nested = checker_for(inner, seen)
        return _all_of([*own, *([nested] if nested else [])])
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
        return _of_fields(kind, seen | {kind})
    arguments = get_args(kind)
    if get_origin(kind) in (list, tuple, set, frozenset) and arguments:
        item = checker_for(arguments[0], seen)
        return item and _of_items(item)
    if get_origin(kind) is dict:
        item = checker_for(arguments[1], seen)
        return item and _of_values(item)
    if get_origin(kind) in (Union, types.UnionType):
        return _of_union(arguments, seen)
    return None


def _all_of(checkers: list[Checker]) -> Checker | None:
    if len(checkers) < 2:
        return checkers[0] if checkers else None
    return lambda value, field: [problem for check in checkers for problem in check(value, field)]


def _of_fields(kind: type[msgspec.Struct], seen: frozenset[Any]) -> Checker | None:
    checkers = [
        (each.name, each.encode_name, found)
        for each in msgspec.structs.fields(kind)
        if (found := checker_for(each.type, seen)) is not None
    ]

    def check(value: Any, field: str) -> list[Problem]:
        prefix = f"{field}." if field else ""
        return [
            problem
            for name, encoded, checker in checkers
            for problem in checker(getattr(value, name), prefix + encoded)
        ]

    return check if checkers else None


def _of_items(item: Checker) -> Checker:
    def check(value: Any, field: str) -> list[Problem]:
        return [problem for at, each in enumerate(value) for problem in item(each, f"{field}[{at}]")]

    return check


def _of_values(item: Checker) -> Checker:
    def check(value: Mapping[Any, Any], field: str) -> list[Problem]:
        return [problem for key, each in value.items() for problem in item(each, f"{field}.{key}")]

    return check


def _of_union(members: tuple[Any, ...], seen: frozenset[Any]) -> Checker | None:
    """Only None may stand beside the one member that has checks: which member a value is of is known."""
    checkers = [found for each in members if (found := checker_for(each, seen)) is not None]
    if not checkers:
        return None
    if len(members) > 2 or type(None) not in members:
        raise TypeError("a Check inside a union works only beside None")
    checker = checkers[0]
    return lambda value, field: [] if value is None else checker(value, field)
