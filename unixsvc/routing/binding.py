"""From a request to the arguments of an action."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec
from msgspec import Struct

from unixsvc.domain.message import EMPTY, Request
from unixsvc.domain.validation import (
    ENCODED,
    MAX_FIELD_ERRORS,
    QUERY,
    FieldError,
    field_error,
    find_field_errors,
)
from unixsvc.errors import ConfigError, Invalid, Malformed
from unixsvc.routing.checks import checker_for
from unixsvc.routing.signature import Signature, is_list

__all__ = ["Binder"]

_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Binder:
    """Makes the arguments of one action's calls.

    :param where: the route, for messages.
    :raises ConfigError: for checks that cannot work.
    """

    def __init__(self, signature: Signature, where: str) -> None:
        self._names = tuple(signature.path)
        self._whole = signature.whole
        self._request = signature.request
        try:
            self._refined = {name: _PathValue(signature.path[name]) for name in signature.refined}
            self._data = _Data(signature.data) if signature.data else None
        except TypeError as error:
            raise ConfigError(where, str(error)) from None

    def __call__(self, request: Request, values: Sequence[Any]) -> dict[str, Any]:
        """Make the arguments by name.

        :param values: of the path's variables, in their order.
        :raises Invalid: listing what is wrong, field by field.
        :raises Malformed: if ``data`` is not JSON.
        """
        arguments = dict(zip(self._names, values, strict=True))
        problems: list[FieldError] = []
        for name, refine in self._refined.items():
            arguments[name] = refine(arguments[name], name, problems)
        if self._data is not None:
            data = self._data.read(request, problems)
            if self._whole:
                arguments[self._whole] = data
            elif data is not None:
                for name in self._data.names:
                    arguments[name] = getattr(data, name)
        if problems:
            shown = problems[:MAX_FIELD_ERRORS]
            raise Invalid([{"field": each.field, "message": each.message} for each in shown])
        if self._request:
            arguments[self._request] = request
        return arguments


class _PathValue:
    """Brings a variable's value to the type that the action wants, beyond the pattern's kind."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._check = checker_for(kind)

    def __call__(self, value: Any, field: str, problems: list[FieldError]) -> Any:
        try:
            result = msgspec.convert(value, self._kind, strict=not isinstance(value, str))
        except msgspec.ValidationError as error:
            problems.append(field_error(field, str(error)))
            return None
        if _is_endless(result):
            problems.append(_endless(field))
        else:
            problems += islice(self._check(result, field), MAX_FIELD_ERRORS) if self._check else []
        return result


class _Data:
    """Reads ``data``, or the query where there is no data, into a struct."""

    def __init__(self, kind: type[Struct]) -> None:
        self._kind = kind
        self._decode = msgspec.json.Decoder(kind).decode
        self._check = checker_for(kind)
        self.names = kind.__struct_fields__
        self._lists = {each.encode_name for each in msgspec.structs.fields(kind) if is_list(each.type)}

    def read(self, request: Request, problems: list[FieldError]) -> Any:
        value: Any = request.data
        form = ENCODED
        try:
            if request.query and bytes(value) == bytes(EMPTY):
                value, form = self._fields_of(request.query), QUERY
                result = form.convert(value, self._kind)
                problems += self._endless_fields(result, value)
            else:
                result = self._decode(value)
        except msgspec.ValidationError:
            problems += _explained(self._kind, value, form)
            return None
        except _NOT_JSON:
            raise Malformed("data: is not JSON") from None
        if self._check is not None:
            problems += islice(self._check(result, ""), MAX_FIELD_ERRORS)
        return result

    def _endless_fields(self, result: Struct, given: Mapping[str, Any]) -> list[FieldError]:
        return [
            _endless(each.encode_name)
            for each in msgspec.structs.fields(self._kind)
            if each.encode_name in given and _is_endless(getattr(result, each.name))
        ]

    def _fields_of(self, query: str) -> dict[str, Any]:
        try:
            found = parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError:  # UnicodeDecodeError is one
            raise Malformed("path: the query cannot be read") from None
        return {name: each if name in self._lists else each[-1] for name, each in found.items()}


def _explained(kind: type[Struct], value: Any, form: Any) -> list[FieldError]:
    try:
        return find_field_errors(kind, value, form)
    except _NOT_JSON:
        raise Malformed("data: is not JSON") from None


def _is_endless(value: Any) -> bool:
    """Whether it is a number that text can say and JSON cannot: infinity, or none at all."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_is_endless, value))
    return isinstance(value, float) and not math.isfinite(value)


def _endless(field: str) -> FieldError:
    return FieldError(field, "Expected a finite number")
