"""The search for all problems of a value.

A value is decoded by msgspec first. It is searched here only if that fails, or if its type has numbers that
need a closer look, so that valid requests do not pay for the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from types import GenericAlias
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from unixsvc.domain.json import Json
from unixsvc.domain.validation.field_errors import (
    MAX_FIELD_ERRORS,
    NOT_FINITE,
    FieldError,
    field_error,
    join,
    located,
    shortened,
)
from unixsvc.domain.validation.formats import QUERY, InputFormat
from unixsvc.domain.validation.keys import key_problems
from unixsvc.domain.validation.lengths import length_problem
from unixsvc.domain.validation.numbers import is_odd
from unixsvc.domain.validation.pydantic_models import is_model, model_errors
from unixsvc.domain.validation.type_forms import (
    Field,
    TypeForm,
    as_struct,
    fields_of,
    holds,
    items_of,
    members_of,
    values_of,
)

__all__ = ["Checker", "Validator", "find_field_errors", "holds_numbers"]

# Each level of a value is decoded again, so the depth is limited; in a value that is not small to four levels
# and the value itself. Below, the first problem is found.
_MAX_DEPTH: Final = 16
_MAX_DECODED: Final = 5
_SMALL: Final = 65_536  # bytes


# Yields the errors of a value. An iterator, so that a megabyte of invalid items costs no more than the errors
# that are reported.
Checker: TypeAlias = Callable[[Json, str], Iterator[FieldError]]


class _Part(Struct, frozen=True):
    """Values of one type inside of a value, with their names."""

    type: TypeForm
    values: Sequence[Json]
    name: Callable[[int], str]


def _single(type_form: TypeForm, value: Json, name: str) -> _Part:
    return _Part(type_form, [value], lambda _: name)


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
        self._is_odd_part: Callable[[Json], bool] | None = None
        self._budget = 0  # bytes that may still be decoded

    def errors(self, type_form: TypeForm, value: Json, field: str = "") -> list[FieldError]:
        """List the problems of a value, at most :data:`MAX_FIELD_ERRORS`."""
        self._look_for_odd_numbers(type_form, value)
        self._budget = max(_MAX_DECODED * self._form.size(value), _MAX_DEPTH * _SMALL)
        return list(islice(self._errors(type_form, value, field, 0), MAX_FIELD_ERRORS))

    def has_odd_number(self, type_form: TypeForm, value: Json) -> bool:
        """Return whether a valid value has a number that is not finite, or not written as a number."""
        self._look_for_odd_numbers(type_form, value)
        return any(True for _ in self._odd_numbers(type_form, value, "", 0))

    def _look_for_odd_numbers(self, type_form: TypeForm, value: Json) -> None:
        needed = holds_numbers(type_form, self._form)
        self._is_odd_part = self._form.odd_parts(value) if needed else None

    def _may_be_odd(self, type_form: TypeForm, value: Json) -> bool:
        known = self._is_odd_part
        return known is not None and holds_numbers(type_form, self._form) and known(value)

    def _errors(self, type_form: TypeForm, value: Json, field: str, depth: int) -> Iterator[FieldError]:
        try:
            self._budget -= self._form.size(value)
            result = self._form.convert(value, type_form)
        except msgspec.ValidationError as error:
            problem = located(error, field)
        else:
            checker = self._checker(type_form)
            odd = self._odd_numbers(type_form, value, field, depth)
            first = next(odd, None)
            if first is None or checker is None:
                yield from () if first is None else [first]
                yield from odd
                yield from () if checker is None else checker(result, field)
                return
            problem = first  # the checks of other parts are still to be done
        found = False
        if depth < _MAX_DEPTH and self._budget > 0:
            for each in self._errors_inside(type_form, value, field, depth + 1):
                found = True
                yield each
        if not found:
            yield problem

    def _errors_inside(
        self, type_form: TypeForm, value: Json, field: str, depth: int
    ) -> Iterator[FieldError]:
        problem = length_problem(type_form, value, self._form)
        if problem and self._member(type_form, value) is not None:
            yield field_error(field, problem)
        for part in self._parts(type_form, value, field):
            if isinstance(part, FieldError):
                yield part
            else:
                yield from self._errors_of_part(part, 0, len(part.values), depth)

    def _errors_of_part(self, part: _Part, start: int, end: int, depth: int) -> Iterator[FieldError]:
        """Search by halves: of half a million items of which one is invalid, only a few are looked at."""
        if end - start == 1:
            yield from self._errors(part.type, part.values[start], part.name(start), depth)
            return
        joined = self._form.join(part.values[start:end])
        try:
            results = self._form.convert(joined, GenericAlias(list, part.type))
        except msgspec.ValidationError:
            middle = (start + end) // 2
            yield from self._errors_of_part(part, start, middle, depth)
            yield from self._errors_of_part(part, middle, end, depth)
            return
        checker = self._checker(part.type)
        may_be_odd = self._may_be_odd(part.type, joined)
        if checker is None and not may_be_odd:
            return
        for at, (value, result) in enumerate(zip(part.values[start:end], results, strict=True), start):
            if may_be_odd and self._may_be_odd(part.type, value):
                yield from self._errors(part.type, value, part.name(at), depth)
            elif checker is not None:
                yield from checker(result, part.name(at))

    def _odd_numbers(self, type_form: TypeForm, value: Json, field: str, depth: int) -> Iterator[FieldError]:
        if not self._may_be_odd(type_form, value):
            return
        if depth > _MAX_DEPTH:
            yield field_error(field, "is nested too deeply")
            return
        text = self._form.text(value)
        if text is None:
            for part in self._parts(type_form, value, field):
                if isinstance(part, FieldError):
                    yield part
                elif holds_numbers(part.type, self._form):
                    for at, each in enumerate(part.values):
                        if self._may_be_odd(part.type, each):
                            yield from self._odd_numbers(part.type, each, part.name(at), depth + 1)
        elif is_odd(text, self._form.convert(value, type_form)):
            yield field_error(field, NOT_FINITE)

    def _parts(self, type_form: TypeForm, value: Json, field: str) -> Iterator[_Part | FieldError]:
        """Yield the parts of a value with their types and names, and the problems of other parts."""
        model = next(filter(is_model, members_of(type_form)), None)
        if model is not None:
            yield from model_errors(model, value, field, texts=self._form is QUERY)
            return
        member = self._member(type_form, value)
        if member is None:
            return
        if (items := items_of(member)) is not None:
            yield from self._parts_of_list(*items, self._form.items(value), field)
        elif (values := values_of(member)) is not None:
            fields = self._form.fields(value)
            problems = {} if values[0] is str else key_problems(values[0], [*fields])
            yield from (field_error(join(field, key), problem) for key, problem in problems.items())
            keys = [key for key in fields if key not in problems]
            yield _Part(values[1], [fields[key] for key in keys], lambda at: join(field, keys[at]))
        else:
            yield from self._parts_of_object(member, fields_of(member) or (), self._form.fields(value), field)

    def _parts_of_list(
        self, first: Sequence[TypeForm], others: TypeForm | None, values: list[Json], field: str
    ) -> Iterator[_Part]:
        for at, (each, value) in enumerate(zip(first, values, strict=False)):
            yield _single(each, value, shortened(f"{field}[{at}]"))
        if others is not None and len(values) > len(first):
            yield _Part(others, values[len(first) :], lambda at: shortened(f"{field}[{len(first) + at}]"))

    def _parts_of_object(
        self, member: TypeForm, known: tuple[Field, ...], values: Mapping[str, Json], field: str
    ) -> Iterator[_Part | FieldError]:
        for each in known:
            if each.encoded in values:
                yield _single(each.type, values[each.encoded], join(field, each.encoded))
            elif each.required:
                yield field_error(join(field, each.encoded), "is required")
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

    def _member(self, type_form: TypeForm, value: Json) -> TypeForm | None:
        """Return the member of a union that a list or an object belongs to; None if there is none."""
        kind = self._form.kind(value)
        is_candidate = _IS_CANDIDATE.get(kind)
        found = [] if is_candidate is None else [*filter(is_candidate, members_of(type_form))]
        if len(found) < 2 or kind == "array":
            return found[0] if len(found) == 1 else None
        tag = self._form.fields(value).get(str(_config(found[0]).tag_field))
        tagged = {_config(each).tag: each for each in found if as_struct(each)}
        return next(
            (each for wanted, each in tagged.items() if tag and not self._tag_problem(wanted, tag)), None
        )

    def _tag_problem(self, wanted: Json, tag: Json) -> str:
        try:
            found = self._form.convert(tag, type(wanted))
        except msgspec.ValidationError as error:
            return str(error)
        return "" if found == wanted else f"Invalid value {found!r}"

    def _checker(self, type_form: TypeForm) -> Checker | None:
        if self._checker_for is None:
            return None
        if type_form not in self._checkers:
            self._checkers[type_form] = self._checker_for(type_form)
        return self._checkers[type_form]


@lru_cache(4096)
def holds_numbers(type_form: TypeForm, form: InputFormat) -> bool:
    """Return whether values of a type can have numbers that JSON has not, in this representation."""
    return holds(type_form, form.numbers)


def _config(type_form: TypeForm) -> Any:
    return getattr(as_struct(type_form), "__struct_config__", None)


_IS_CANDIDATE: Final[dict[str, Callable[[TypeForm], bool]]] = {
    "array": lambda each: items_of(each) is not None,
    "object": lambda each: fields_of(each) is not None or values_of(each) is not None,
}
