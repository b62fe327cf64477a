"""Binding: from a request to the arguments of an action."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec
from msgspec import Struct

from unixsvc.domain.json import NOT_JSON, Json, JsonObject
from unixsvc.domain.message import EMPTY, Request
from unixsvc.domain.validation import (
    ENCODED,
    MAX_FIELD_ERRORS,
    QUERY,
    FieldError,
    InputFormat,
    TypeForm,
    field_error,
    find_field_errors,
)
from unixsvc.errors import ConfigError, Invalid, Malformed
from unixsvc.routing.checks import checker_for
from unixsvc.routing.query import QueryParser
from unixsvc.routing.signature import Signature

__all__ = ["Binder"]


class Binder:
    """Creates the arguments for the calls of one action.

    :param where: the route, for error messages.
    :raises ConfigError: for checks that can never run.
    """

    def __init__(self, signature: Signature, where: str) -> None:
        self._names = tuple(signature.path)
        self._whole = signature.whole
        self._request = signature.request
        try:
            self._refined = {name: _PathValue(signature.path[name]) for name in signature.refined}
            self._data = _DataReader(signature.data) if signature.data else None
        except TypeError as error:
            raise ConfigError(where, str(error)) from None

    def __call__(self, request: Request, values: Sequence[object]) -> JsonObject:
        """Return the arguments by name.

        :param values: the values of the path variables, in the order of the pattern.
        :raises Invalid: with the errors field by field.
        :raises Malformed: if ``data`` is not JSON.
        """
        arguments: JsonObject = dict(zip(self._names, values, strict=True))
        errors: list[FieldError] = []
        for name, refine in self._refined.items():
            arguments[name] = refine(arguments[name], name, errors)
        if self._data is not None:
            data = self._data.read(request, errors)
            if self._whole:
                arguments[self._whole] = data
            elif data is not None:
                for name in self._data.names:
                    arguments[name] = getattr(data, name)
        if errors:
            first = errors[:MAX_FIELD_ERRORS]
            raise Invalid([{"field": error.field, "message": error.message} for error in first])
        if self._request:
            arguments[self._request] = request
        return arguments


class _PathValue:
    """Converts the value of a path variable to the type of the parameter."""

    def __init__(self, hint: TypeForm) -> None:
        self._hint = hint
        self._check = checker_for(hint)

    def __call__(self, value: object, field: str, errors: list[FieldError]) -> object:
        try:
            result: object = msgspec.convert(value, self._hint, strict=not isinstance(value, str))
        except msgspec.ValidationError as error:
            errors.append(field_error(field, str(error)))
            return None
        if _is_not_finite(result):
            errors.append(_not_finite_error(field))
        else:
            errors += islice(self._check(result, field), MAX_FIELD_ERRORS) if self._check else []
        return result


class _DataReader:
    """Reads ``data`` into a struct, or the query if there is no data."""

    def __init__(self, struct: type[Struct]) -> None:
        self._struct = struct
        self._decode = msgspec.json.Decoder(struct).decode
        self._check = checker_for(struct)
        self.names = struct.__struct_fields__
        self._parse_query = QueryParser(struct).parse

    def read(self, request: Request, errors: list[FieldError]) -> Struct | None:
        value: Json = request.data
        form = ENCODED
        try:
            if request.query and bytes(value) == bytes(EMPTY):
                value, form = self._parse_query(request.query), QUERY
                result: Struct = form.convert(value, self._struct)
                errors += self._not_finite_fields(result, value)
            else:
                result = self._decode(value)
        except msgspec.ValidationError:
            errors += _explain(self._struct, value, form)
            return None
        except NOT_JSON:
            raise Malformed("data: is not JSON") from None
        if self._check is not None:
            errors += islice(self._check(result, ""), MAX_FIELD_ERRORS)
        return result

    def _not_finite_fields(self, result: Struct, given: Mapping[str, object]) -> list[FieldError]:
        return [
            _not_finite_error(each.encode_name)
            for each in msgspec.structs.fields(self._struct)
            if each.encode_name in given and _is_not_finite(getattr(result, each.name))
        ]


def _explain(struct: type[Struct], value: Json, form: InputFormat) -> list[FieldError]:
    try:
        return find_field_errors(struct, value, form)
    except NOT_JSON:
        raise Malformed("data: is not JSON") from None


def _is_not_finite(value: object) -> bool:
    """Return whether a value is or contains infinity or NaN, which text can represent and JSON cannot."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_is_not_finite, value))
    return isinstance(value, float) and not math.isfinite(value)


def _not_finite_error(field: str) -> FieldError:
    return FieldError(field, "Expected a finite number")
