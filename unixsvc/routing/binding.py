"""Binding: from a request to the arguments of an action."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Final
from urllib.parse import parse_qs

import msgspec

from unixsvc.domain.json import NOT_JSON, Json, JsonObject
from unixsvc.domain.message import EMPTY, Request
from unixsvc.domain.validation.field_errors import MAX_FIELD_ERRORS, NOT_FINITE, FieldError, field_error
from unixsvc.domain.validation.formats import ENCODED, QUERY, InputFormat
from unixsvc.domain.validation.pydantic_models import (
    decode_model,
    decode_model_json,
    is_model,
    model_fields,
)
from unixsvc.domain.validation.type_forms import TypeForm, bare, fields_of, is_list, items_of, members_of
from unixsvc.domain.validation.validator import Validator, holds_numbers
from unixsvc.errors import ConfigError, Invalid, Malformed
from unixsvc.routing.checks import checker_for
from unixsvc.routing.signature import Signature

__all__ = ["Binder"]

_MAX_FIELDS: Final = 1000
# The value that a browser sends for a checkbox without a value of its own.
_CHECKED: Final = "on"


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


class _DataReader:
    """Reads ``data`` into an object, or the query if there is no data.

    :param type_form: the type of the object.
    """

    def __init__(self, type_form: TypeForm) -> None:
        self._type = type_form
        self._decode = _decoder(type_form)
        self._check = checker_for(type_form)
        self.names = tuple(each.name for each in fields_of(bare(type_form)) or ())
        self._parse_query = _QueryParser(type_form).parse
        # For most types a value that has been decoded is valid.
        self._needs_look = self._check is not None or holds_numbers(type_form, ENCODED)
        self._needs_look_at_query = self._check is not None or holds_numbers(type_form, QUERY)

    def read(self, request: Request, errors: list[FieldError]) -> object:
        value: Json = request.data
        form = ENCODED
        try:
            if request.query and bytes(value) == bytes(EMPTY):
                value, form = self._parse_query(request.query), QUERY
                result: object = form.convert(value, self._type)
                needs_look = self._needs_look_at_query
            else:
                result = self._decode(value)
                needs_look = self._needs_look
            if needs_look:
                errors += self._look(value, form, result)
        except msgspec.ValidationError:
            errors += self._explain(value, form)
            return None
        except NOT_JSON:
            raise Malformed("data: is not JSON") from None
        return result

    def _look(self, value: Json, form: InputFormat, result: object) -> list[FieldError]:
        """Return the problems of a value that fits the type."""
        if Validator(form).has_odd_number(self._type, value):
            return self._explain(value, form)
        return [] if self._check is None else [*islice(self._check(result, ""), MAX_FIELD_ERRORS)]

    def _explain(self, value: Json, form: InputFormat) -> list[FieldError]:
        try:
            return Validator(form, checker_for).errors(self._type, value)
        except NOT_JSON:
            raise Malformed("data: is not JSON") from None


def _decoder(type_form: TypeForm) -> Callable[[Json], object]:
    """Return the function that decodes the data of an action."""
    whole = bare(type_form)
    if is_model(whole):
        return partial(decode_model_json, whole)
    return msgspec.json.Decoder(type_form, dec_hook=decode_model).decode


_TEXT: Final = Validator(QUERY)


class _QueryParser:
    """Parses queries and urlencoded forms for one type.

    A form sends every text field, empty ones too. So an empty field that has a default and whose type has no
    value for the empty text, as a number, counts as absent. A checked checkbox is ``on``, which is true.

    :param type_form: the type whose fields the query has.
    """

    def __init__(self, type_form: TypeForm) -> None:
        whole = bare(type_form)
        fields = model_fields(whole) if is_model(whole) else fields_of(whole) or ()
        self._lists = {each.encoded for each in fields if is_list(each.type)}
        self._never_empty: set[str] = set()
        self._checkboxes: set[str] = set()
        for each in fields:
            type_form = _item_type(each.type) if each.encoded in self._lists else each.type
            if not (each.required or _can_be(type_form, "")):
                self._never_empty.add(each.encoded)
            if _can_be(type_form, "true") and not _can_be(type_form, _CHECKED):
                self._checkboxes.add(each.encoded)

    def parse(self, query: str) -> JsonObject:
        """Return the values by name: lists of texts for lists, the last text for other types.

        :raises Malformed: if the query cannot be decoded, or has too many fields.
        """
        try:
            fields = parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        except ValueError:  # includes UnicodeDecodeError
            raise Malformed("path: the query is invalid") from None
        self._adapt(fields)
        return {name: values if name in self._lists else values[-1] for name, values in fields.items()}

    def _adapt(self, fields: dict[str, list[str]]) -> None:
        for name in self._checkboxes & fields.keys():
            fields[name] = ["true" if value == _CHECKED else value for value in fields[name]]
        for name in self._never_empty & fields.keys():
            fields[name] = [value for value in fields[name] if value]
            if not fields[name]:
                del fields[name]


def _can_be(type_form: TypeForm, text: str) -> bool:
    """Return whether a text of a query can be converted to a type."""
    try:
        QUERY.convert(text, type_form)
    except msgspec.ValidationError:
        return False
    return True


def _item_type(type_form: TypeForm) -> TypeForm:
    """Return the type of the items of a list, also of an optional one; of any text if it is not one type."""
    list_form = next(each for each in members_of(type_form) if is_list(each))
    _, item_type = items_of(list_form) or ((), None)
    return item_type or str
