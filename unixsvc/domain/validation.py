"""Validation of a value field by field; msgspec itself stops at the first error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from types import UnionType
from typing import Annotated, Final, TypeAlias, Union, get_args, get_origin

import msgspec

from unixsvc.domain.json import Json, JsonObject

__all__ = [
    "DECODED",
    "ENCODED",
    "MAX_FIELD_ERRORS",
    "QUERY",
    "FieldError",
    "InputFormat",
    "TypeForm",
    "field_error",
    "find_field_errors",
    "join",
    "shortened",
]

TypeForm: TypeAlias = object  # a type as annotations write it: a class, Annotated[...], a union, list[...]


# Limits the reply to a message of a megabyte of wrong fields, which could otherwise be six times as long.
MAX_FIELD_ERRORS: Final = 100
_MAX_TEXT: Final = 300  # characters

# What msgspec appends to a message: " - at `$.tags[1]`", or " - at `key` in `$.homes`".
_PLACE: Final = " - at `"


class FieldError(msgspec.Struct, frozen=True):
    """A field, as ``address.city`` or ``tags[0]``, and the problem with its value."""

    field: str
    message: str


class InputFormat(msgspec.Struct, frozen=True):
    """A representation of values.

    Both functions raise :class:`msgspec.ValidationError`.

    :ivar convert: converts a value to a type.
    :ivar fields: returns the fields of an object.
    """

    convert: Callable[[Json, TypeForm], Json]
    fields: Callable[[Json], Mapping[str, Json]]


def _decode_fields(value: bytes) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(value, type=dict[str, msgspec.Raw])


def _convert_fields(value: Json) -> JsonObject:
    return msgspec.convert(value, JsonObject)


# Fields of encoded JSON are decoded only with their types: without types, 600 kB of "[]" become 13 MB of
# lists.
ENCODED = InputFormat(lambda value, type_form: msgspec.json.decode(value, type=type_form), _decode_fields)
"""JSON as bytes."""
DECODED = InputFormat(lambda value, type_form: msgspec.convert(value, type_form), _convert_fields)
"""Objects as ``json.loads`` returns them."""
QUERY = InputFormat(lambda value, type_form: msgspec.convert(value, type_form, strict=False), _convert_fields)
"""The fields of a query: numbers and booleans are strings."""


def find_field_errors(
    type_form: TypeForm, value: Json, form: InputFormat, field: str = ""
) -> list[FieldError]:
    """List the differences between a value and a type.

    :param type_form: any type that msgspec supports; structs and dicts are searched recursively.
    :param form: the representation of the value.
    :param field: the name of the field that holds the value.
    :returns: at most :data:`MAX_FIELD_ERRORS` errors; none if the value is valid.
    """
    return list(islice(_errors(type_form, value, form, field), MAX_FIELD_ERRORS))


def _errors(type_form: TypeForm, value: Json, form: InputFormat, field: str) -> Iterator[FieldError]:
    inner = get_args(type_form)[0] if get_origin(type_form) is Annotated else type_form
    found = False
    try:
        for error in _errors_inside(inner, value, form, field):
            found = True
            yield error
        if not found:
            form.convert(value, type_form)
    except msgspec.ValidationError as error:
        yield _from_validation_error(error, field)


def _errors_inside(type_form: TypeForm, value: Json, form: InputFormat, field: str) -> Iterator[FieldError]:
    if isinstance(type_form, type) and issubclass(type_form, msgspec.Struct):
        if not type_form.__struct_config__.array_like:
            yield from _struct_errors(type_form, form.fields(value), form, field)
    elif get_origin(type_form) is dict:
        for key, item in form.fields(value).items():
            yield from _errors(get_args(type_form)[1], item, form, join(field, key))
    elif (struct := _only_struct(type_form)) is not None:
        try:
            fields = form.fields(value)
        except msgspec.ValidationError:  # the value may be of another type of the union
            return
        yield from _struct_errors(struct, fields, form, field)


def _only_struct(type_form: TypeForm) -> type[msgspec.Struct] | None:
    """Return the struct of a union of one struct and None."""
    if get_origin(type_form) not in (Union, UnionType):
        return None
    members = [member for member in get_args(type_form) if member is not type(None)]
    if len(members) != 1 or not (isinstance(members[0], type) and issubclass(members[0], msgspec.Struct)):
        return None
    struct: type[msgspec.Struct] = members[0]
    return None if struct.__struct_config__.array_like else struct


@lru_cache(1024)
def _fields_of(struct: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a struct; their annotations are compiled anew each time, which takes 0.2 ms."""
    return msgspec.structs.fields(struct)


def _struct_errors(
    struct: type[msgspec.Struct], values: Mapping[str, Json], form: InputFormat, field: str
) -> Iterator[FieldError]:
    fields = _fields_of(struct)
    for each in fields:
        name = join(field, each.encode_name)
        if each.encode_name in values:
            yield from _errors(each.type, values[each.encode_name], form, name)
        elif each.required:
            yield field_error(name, "is required")
    if struct.__struct_config__.forbid_unknown_fields:
        known = {each.encode_name for each in fields} | {struct.__struct_config__.tag_field}
        yield from (field_error(join(field, name), "is unknown") for name in values if name not in known)


def _from_validation_error(error: msgspec.ValidationError, field: str) -> FieldError:
    # A message may quote a megabyte of the peer's, so it is searched from the end, and once.
    text = str(error)
    message, _, place = text.rpartition(_PLACE)
    path = place.removeprefix("key` in `").removeprefix("$")
    if not message or not path.endswith("`"):
        return field_error(field, text)
    return field_error((field + path[:-1]).removeprefix("."), message)


def field_error(field: str, message: str) -> FieldError:
    """Create an error with texts of limited length: both may quote the peer's data."""
    return FieldError(shortened(field), shortened(message))


def join(field: str, name: str) -> str:
    """Return the name of a field inside another field."""
    return shortened(f"{field}.{name}" if field else name)


def shortened(text: str) -> str:
    """Return a text that may quote a peer's data, with at most 300 characters."""
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
