"""Binding: from a request to the arguments of an action."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

import msgspec

from unixsvc.domain.json import JsonObject
from unixsvc.domain.message import Request
from unixsvc.domain.validation.field_errors import MAX_FIELD_ERRORS, NOT_FINITE, FieldError, field_error
from unixsvc.domain.validation.formats import QUERY
from unixsvc.domain.validation.type_forms import TypeForm
from unixsvc.domain.validation.validator import Validator, holds_numbers
from unixsvc.errors import ConfigError, Invalid
from unixsvc.routing.checks import checker_for
from unixsvc.routing.parameters.body.readers import reader_for
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
        self._sources = tuple((name, source.read) for name, source in signature.sources.items())
        try:
            self._refined = {name: _PathValue(signature.path[name]) for name in signature.refined}
            self._data = (
                reader_for(signature.data, signature.takes, signature.default, apart=signature.apart)
                if signature.data
                else None
            )
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
        for name, read in self._sources:
            arguments[name] = read(request, errors)
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
        self._may_be_odd = holds_numbers(hint, QUERY)

    def __call__(self, value: object, field: str, errors: list[FieldError]) -> object:
        try:
            result: object = msgspec.convert(value, self._hint, strict=not isinstance(value, str))
        except msgspec.ValidationError as error:
            errors.append(field_error(field, str(error)))
            return None
        if self._may_be_odd and isinstance(value, str) and _TEXT.has_odd_number(self._hint, value):
            errors.append(FieldError(field, NOT_FINITE))
        else:
            errors += islice(self._check(result, field), MAX_FIELD_ERRORS) if self._check else []
        return result


_TEXT: Final = Validator(QUERY)
