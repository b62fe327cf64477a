"""The search for all problems of a value.

A value is decoded by msgspec first. It is searched here only if that fails, or if its type has numbers that
need a closer look, so that valid requests do not pay for the search.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import chain, islice, repeat
from typing import Annotated, Any, Final, TypeAlias, get_args, get_origin

import msgspec

from unixsvc.domain.json import Json, JsonObject
from unixsvc.domain.validation.field_errors import (
    MAX_FIELD_ERRORS,
    FieldError,
    field_error,
    join,
    located,
    shortened,
)
from unixsvc.domain.validation.formats import InputFormat
from unixsvc.domain.validation.type_forms import (
    Field,
    TypeForm,
    as_struct,
    bare,
    fields_of,
    holds,
    items_of,
    members_of,
    values_of,
)

__all__ = ["NOT_FINITE", "Checker", "Validator", "find_field_errors", "holds_numbers", "is_number"]

NOT_FINITE: Final = "Expected a finite number"
# Each level of a value is scanned again, so that the depth limits the cost. Below it, the first problem is
# found.
_MAX_DEPTH: Final = 32
# Decimal() also accepts underscores, spaces and the digits of other scripts.
_NUMBER: Final = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")

# Yields the errors of a value. An iterator, so that a megabyte of invalid items costs no more than the errors
# that are reported.
Checker: TypeAlias = Callable[[Json, str], Iterator[FieldError]]
_Child: TypeAlias = tuple[TypeForm, Json, str]


def find_field_errors(
    type_form: TypeForm, value: Json, form: InputFormat, field: str = ""
) -> list[FieldError]:
    """List the differences between a value and a type.

    :param type_form: any type that msgspec supports.
    :param form: the representation of the value.
    :param field: the name of the field that holds the value.
    :returns: at most :data:`MAX_FIELD_ERRORS` errors; none if the value is valid.
    """
    return Validator(form).errors(type_form, value, field)


class Validator:
    """Finds all problems of values: of each field, item and value of a dict the first one.

    :param form: the representation of the values.
    :param checker_for: returns the checks of the application for a type; None if it has none.
    """

    def __init__(
        self, form: InputFormat, checker_for: Callable[[TypeForm], Checker | None] | None = None
    ) -> None:
        self._form = form
        self._checker_for = checker_for
        self._checkers: dict[TypeForm, Checker | None] = {}

    def errors(self, type_form: TypeForm, value: Json, field: str = "") -> list[FieldError]:
        """List the problems of a value, at most :data:`MAX_FIELD_ERRORS`."""
        return list(islice(self._errors(type_form, value, field, 0), MAX_FIELD_ERRORS))

    def has_odd_number(self, type_form: TypeForm, value: Json) -> bool:
        """Return whether a valid value has a number that is not finite, or not written as a number."""
        return any(True for _ in self._odd_numbers(type_form, value, "", 0))

    def _errors(self, type_form: TypeForm, value: Json, field: str, depth: int) -> Iterator[FieldError]:
        try:
            result = self._form.convert(value, type_form)
        except msgspec.ValidationError as error:
            problem = located(error, field)
        else:
            odd = next(self._odd_numbers(type_form, value, field, depth), None)
            if odd is None:
                checker = self._checker(type_form)
                yield from () if checker is None else checker(result, field)
                return
            problem = odd
        found = False
        if depth < _MAX_DEPTH:
            for each in self._errors_inside(type_form, value, field, depth + 1):
                found = True
                yield each
        if not found:
            yield problem

    def _errors_inside(
        self, type_form: TypeForm, value: Json, field: str, depth: int
    ) -> Iterator[FieldError]:
        limits = self._limits_error(type_form, value, field)
        if limits is not None:
            yield limits
        for child in self._children(type_form, value, field):
            if isinstance(child, FieldError):
                yield child
            else:
                yield from self._errors(*child, depth)

    def _odd_numbers(self, type_form: TypeForm, value: Json, field: str, depth: int) -> Iterator[FieldError]:
        if not holds_numbers(type_form, self._form):
            return
        if depth > _MAX_DEPTH:
            yield field_error(field, "is nested too deeply")
            return
        text = self._form.text(value)
        if text is None:
            for child in self._children(type_form, value, field):
                if isinstance(child, FieldError):
                    yield child
                else:
                    yield from self._odd_numbers(*child, depth + 1)
        elif _is_odd(text, self._form.convert(value, type_form)):
            yield field_error(field, NOT_FINITE)

    def _children(self, type_form: TypeForm, value: Json, field: str) -> Iterator[_Child | FieldError]:
        """Yield the parts of a value with their types and names, and the problems of other parts."""
        kind = self._form.kind(value)
        member = self._member(type_form, value, kind)
        if member is None:
            return
        if kind == "array":
            first, others = items_of(member) or ((), None)
            types = chain(first, repeat(others))
            for at, (each, item) in enumerate(zip(types, self._items(value), strict=False)):
                if each is not None:
                    yield each, item, shortened(f"{field}[{at}]")
        elif (values := values_of(member)) is not None:
            for key, item in self._fields(value).items():
                problem = _key_problem(values[0], key)
                name = join(field, key)
                yield (values[1], item, name) if problem is None else field_error(name, problem)
        else:
            yield from self._fields_of_object(member, fields_of(member) or (), self._fields(value), field)

    def _fields_of_object(
        self, member: TypeForm, known: tuple[Field, ...], values: Mapping[str, Json], field: str
    ) -> Iterator[_Child | FieldError]:
        for each in known:
            name = join(field, each.encoded)
            if each.encoded in values:
                yield each.type, values[each.encoded], name
            elif each.required:
                yield field_error(name, "is required")
        struct = as_struct(member)
        if struct is None:
            return
        config = struct.__struct_config__
        tag_field = str(config.tag_field)
        if config.tag is not None and tag_field in values:
            problem = self._tag_problem(config.tag, values[tag_field])
            if problem:
                yield field_error(join(field, tag_field), problem)
        if config.forbid_unknown_fields:
            names = {each.encoded for each in known} | {tag_field}
            yield from (field_error(join(field, name), "is unknown") for name in values if name not in names)

    def _member(self, type_form: TypeForm, value: Json, kind: str) -> TypeForm | None:
        """Return the member of a union that a list or an object belongs to; None if there is none."""
        members = members_of(type_form)
        if kind == "array":
            found = [each for each in members if items_of(each) is not None]
        elif kind == "object":
            found = [each for each in members if fields_of(each) is not None or values_of(each) is not None]
        else:
            return None
        if len(found) < 2:
            return found[0] if found else None
        structs = {_config(each).tag: each for each in found if as_struct(each)}
        tag = self._fields(value).get(str(_config(found[0]).tag_field)) if kind == "object" else None
        return next(
            (each for wanted, each in structs.items() if tag and not self._tag_problem(wanted, tag)), None
        )

    def _tag_problem(self, wanted: Json, tag: Json) -> str:
        try:
            found = self._form.convert(tag, type(wanted))
        except msgspec.ValidationError as error:
            return str(error)
        return "" if found == wanted else f"Invalid value {found!r}"

    def _limits_error(self, type_form: TypeForm, value: Json, field: str) -> FieldError | None:
        """Return the problem with the length of a list or an object, whose items may have others."""
        lengths = [_lengths(each) for each in _metadata(type_form) if isinstance(each, msgspec.Meta)]
        kind = self._form.kind(value)
        is_set = get_origin(bare(type_form)) in (set, frozenset)  # equal items count once there
        if not any(lengths) or is_set or self._member(type_form, value, kind) is None:
            return None
        shape: Any = list[self._form.opaque] if kind == "array" else dict[str, self._form.opaque]  # type: ignore[name-defined]
        try:
            for each in lengths:
                self._form.convert(value, Annotated[shape, msgspec.Meta(**each)])
        except msgspec.ValidationError as error:
            return field_error(field, str(error))
        return None

    def _fields(self, value: Json) -> JsonObject:
        found: JsonObject = self._form.convert(value, dict[str, self._form.opaque])  # type: ignore[name-defined]
        return found

    def _items(self, value: Json) -> list[Json]:
        found: list[Json] = self._form.convert(value, list[self._form.opaque])  # type: ignore[name-defined]
        return found

    def _checker(self, type_form: TypeForm) -> Checker | None:
        if self._checker_for is None:
            return None
        if type_form not in self._checkers:
            self._checkers[type_form] = self._checker_for(type_form)
        return self._checkers[type_form]


def is_number(text: str) -> bool:
    """Return whether a text is a finite decimal number, without spaces and underscores."""
    return _NUMBER.fullmatch(text) is not None


@lru_cache(4096)
def holds_numbers(type_form: TypeForm, form: InputFormat) -> bool:
    """Return whether values of a type can have numbers that JSON has not, in this representation."""
    return holds(type_form, form.numbers)


def _is_odd(text: str, value: Json) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, Decimal) and not is_number(text)


def _config(type_form: TypeForm) -> Any:
    return getattr(as_struct(type_form), "__struct_config__", None)


def _lengths(meta: msgspec.Meta) -> dict[str, Any]:
    limits = {"min_length": meta.min_length, "max_length": meta.max_length}
    return {name: limit for name, limit in limits.items() if limit is not None}


def _metadata(type_form: TypeForm) -> tuple[object, ...]:
    return get_args(type_form)[1:] if get_origin(type_form) is Annotated else ()


def _key_problem(key: TypeForm, name: str) -> str | None:
    """Return the problem with a key of an object, None if it has the type."""
    if key is str:
        return None
    try:
        found = msgspec.json.decode(msgspec.json.encode({name: None}), type=dict[key, None])  # type: ignore[valid-type]
    except msgspec.ValidationError as error:
        return located(error, "").message
    return NOT_FINITE if any(_is_odd(name, each) for each in found) else None
