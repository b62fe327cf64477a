"""Reading ``data``, or what replaces it: a query, a form, a body that is no object."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Final

import msgspec
from msgspec.structs import replace

from unixsvc.domain.body_spec import BodyKind
from unixsvc.domain.json import NOT_JSON, Json, JsonObject
from unixsvc.domain.message import EMPTY, Request
from unixsvc.domain.validation.field_errors import MAX_FIELD_ERRORS, FieldError
from unixsvc.domain.validation.formats import DECODED, ENCODED, QUERY, InputFormat
from unixsvc.domain.validation.pydantic_models import (
    decode_model,
    decode_model_json,
    is_model,
    model_fields,
)
from unixsvc.domain.validation.type_forms import TypeForm, bare, fields_of, is_list
from unixsvc.domain.validation.validator import Validator, holds_numbers
from unixsvc.errors import Malformed
from unixsvc.routing.checks import checker_for
from unixsvc.routing.parameters.interfaces import REQUIRED
from unixsvc.routing.parameters.query import parse_query
from unixsvc.routing.parameters.texts import CHECKED, can_be, is_checkbox, item_type

__all__ = ["DataReader", "reader_for"]

_PLACE: Final = "body"
"""Of problems of a body that is no object."""


def reader_for(type_form: TypeForm, kind: BodyKind, default: object, *, apart: bool) -> DataReader:
    """Return the reader of an action's data.

    :param type_form: the type of the data.
    :param default: of a parameter that takes the whole body; ``REQUIRED`` if there is none.
    :param apart: whether a form is not in the query.
    :raises TypeError: for checks that can never run.
    """
    if kind is BodyKind.RAW:
        return _BytesReader(type_form, default)
    if kind is BodyKind.ANY_JSON:
        return _JsonReader(type_form, default)
    return _FormReader(type_form, kind) if apart else DataReader(type_form)


class DataReader:
    """Reads ``data`` into an object, or the query if there is no data.

    :param type_form: the type of the object.
    """

    place = ""

    def __init__(self, type_form: TypeForm) -> None:
        self._type = type_form
        self._decode = _decoder(type_form)
        self._check = checker_for(type_form)
        fields = fields_of(bare(type_form)) or ()
        self.names = tuple(each.name for each in fields)
        self._parse_query: Callable[[str], JsonObject] = _QueryParser(type_form).parse
        # For most types a value that has been decoded is valid.
        self._needs_look = self._check is not None or holds_numbers(type_form, ENCODED)
        self._needs_look_at_query = self._check is not None or holds_numbers(type_form, QUERY)

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the object.

        :param errors: gets the problems of data that are not valid; the result does not matter then.
        :raises Malformed: for data that are not JSON, or a query that cannot be decoded.
        """
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
        return [] if self._check is None else [*islice(self._check(result, self.place), MAX_FIELD_ERRORS)]

    def _explain(self, value: Json, form: InputFormat) -> list[FieldError]:
        try:
            return Validator(form, checker_for).errors(self._type, value, self.place)
        except NOT_JSON:
            raise Malformed("data: is not JSON") from None


class _FormReader(DataReader):
    """Reads a form that is not in the query: the query of the URL has parameters of its own.

    Over HTTP, ``Form()`` is never read from the URL, which logs and browsers keep.
    """

    def __init__(self, type_form: TypeForm, kind: BodyKind) -> None:
        super().__init__(type_form)
        self._only_form = kind is not BodyKind.OBJECT

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the object; see :meth:`DataReader.read`."""
        if request.body:
            request = replace(request, query=request.body.decode())
        elif self._only_form and request.headers is not None:
            request = replace(request, query="")
        return super().read(request, errors)


class _JsonReader(DataReader):
    """Reads a body of any JSON value.

    :param default: the value without a body; ``REQUIRED`` if there is none.
    """

    place = _PLACE

    def __init__(self, type_form: TypeForm, default: object) -> None:
        super().__init__(type_form)
        self._default = default
        self._may_be_empty = _is_valid(type_form, bytes(EMPTY))

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the value; see :meth:`DataReader.read`."""
        missing = request.data is EMPTY
        if missing and self._default is not REQUIRED:
            return self._default
        # Over a socket, clients send an empty object for no data, and no data for an empty object.
        missing = missing and request.headers is not None
        if missing or (bytes(request.data) == bytes(EMPTY) and not self._may_be_empty):
            if self._default is REQUIRED:
                errors.append(FieldError(_PLACE, "is required"))
            return self._default
        return super().read(replace(request, query="") if request.query else request, errors)


class _BytesReader(_JsonReader):
    """Reads a body of any media type, which may be empty; over a socket the data is a string in base64.

    :param default: the value of an empty one.
    """

    def __init__(self, type_form: TypeForm, default: object) -> None:
        super().__init__(type_form, b"" if default is REQUIRED else default)

    def read(self, request: Request, errors: list[FieldError]) -> object:
        """Return the bytes; see :meth:`DataReader.read`."""
        if request.headers is None:
            return super().read(request, errors)
        body = request.body
        if not body:
            return self._default
        try:
            result: object = DECODED.convert(body, self._type)
        except msgspec.ValidationError:
            errors += self._explain(body, DECODED)
            return None
        errors += [] if self._check is None else islice(self._check(result, _PLACE), MAX_FIELD_ERRORS)
        return result


def _decoder(type_form: TypeForm) -> Callable[[Json], object]:
    """Return the function that decodes the data of an action."""
    whole = bare(type_form)
    if is_model(whole):
        return partial(decode_model_json, whole)
    return msgspec.json.Decoder(type_form, dec_hook=decode_model).decode


def _is_valid(type_form: TypeForm, value: bytes) -> bool:
    try:
        ENCODED.convert(value, type_form)
    except msgspec.ValidationError:
        return False
    return True


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
        self._never_empty = {
            each.encoded for each in fields if not (each.required or can_be(item_type(each.type), ""))
        }
        self._checkboxes = {each.encoded for each in fields if is_checkbox(each.type)}

    def parse(self, query: str) -> JsonObject:
        """Return the values by name: lists of texts for lists, the last text for other types.

        :raises Malformed: if the query cannot be decoded, or has too many fields.
        """
        fields = parse_query(query)
        self._adapt(fields)
        return {name: values if name in self._lists else values[-1] for name, values in fields.items()}

    def _adapt(self, fields: dict[str, list[str]]) -> None:
        for name in self._checkboxes & fields.keys():
            fields[name] = ["true" if value == CHECKED else value for value in fields[name]]
        for name in self._never_empty & fields.keys():
            fields[name] = [value for value in fields[name] if value]
            if not fields[name]:
                del fields[name]
