"""Says what is wrong with a value, field by field, where the decoder stops at the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import msgspec

__all__ = [
    "JSON",
    "MAX_PROBLEMS",
    "PLAIN",
    "TEXT",
    "FieldError",
    "InputFormat",
    "field_error",
    "find_field_errors",
    "join",
]

# Whoever sends a megabyte of wrong fields must not get six megabytes of explanations for it.
MAX_PROBLEMS: Final = 100
_MAX_TEXT: Final = 300

_WHERE = re.compile(r"(?P<message>.*?) - at `(?:key in )?\$?(?P<path>.*)`$", re.DOTALL)


class FieldError(msgspec.Struct, frozen=True):
    """One field, as ``address.city`` or ``tags[0]``, and what is wrong with it."""

    field: str
    message: str


class InputFormat(msgspec.Struct, frozen=True):
    """How values come: how to convert one to a type, and how to open one that has fields.

    Both raise :class:`msgspec.ValidationError`.
    """

    convert: Callable[[Any, Any], Any]
    fields: Callable[[Any], Mapping[str, Any]]


def _open_json(value: bytes) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(value, type=dict[str, msgspec.Raw])


def _open_plain(value: Any) -> dict[str, Any]:
    return msgspec.convert(value, dict[str, Any])


# Fields of JSON stay encoded until their type is known: untyped, 600 kB of "[]" become 13 MB of lists.
JSON = InputFormat(lambda value, kind: msgspec.json.decode(value, type=kind), _open_json)
PLAIN = InputFormat(lambda value, kind: msgspec.convert(value, kind), _open_plain)
TEXT = InputFormat(lambda value, kind: msgspec.convert(value, kind, strict=False), _open_plain)


def find_field_errors(kind: Any, value: Any, form: InputFormat, field: str = "") -> list[FieldError]:
    """List what keeps ``value`` from being a ``kind``, the first hundred things; empty if nothing does.

    :param kind: any type that msgspec knows; structs and dicts are looked into.
    :param form: how ``value`` comes.
    :param field: where ``value`` itself stands.
    """
    return list(islice(_problems(kind, value, form, field), MAX_PROBLEMS))


def _problems(kind: Any, value: Any, form: InputFormat, field: str) -> Iterator[FieldError]:
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    found = False
    try:
        for problem in _problems_inside(inner, value, form, field):
            found = True
            yield problem
        if not found:
            form.convert(value, kind)
    except msgspec.ValidationError as error:
        yield _problem(error, field)


def _problems_inside(kind: Any, value: Any, form: InputFormat, field: str) -> Iterator[FieldError]:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        if not kind.__struct_config__.array_like:
            yield from _problems_of_struct(kind, form.fields(value), form, field)
    elif get_origin(kind) is dict:
        for key, item in form.fields(value).items():
            yield from _problems(get_args(kind)[1], item, form, join(field, key))
    elif (only := _only_struct(kind)) is not None:
        try:
            fields = form.fields(value)
        except msgspec.ValidationError:  # it may be one of the others
            return
        yield from _problems_of_struct(only, fields, form, field)


def _only_struct(kind: Any) -> type[msgspec.Struct] | None:
    """The struct that an object must be, of several kinds that a value may be."""
    if get_origin(kind) not in (Union, UnionType):
        return None
    others = [each for each in get_args(kind) if each is not type(None)]
    if len(others) != 1 or not (isinstance(others[0], type) and issubclass(others[0], msgspec.Struct)):
        return None
    only: type[msgspec.Struct] = others[0]
    return None if only.__struct_config__.array_like else only


def _problems_of_struct(
    kind: type[msgspec.Struct], fields: Mapping[str, Any], form: InputFormat, field: str
) -> Iterator[FieldError]:
    known = msgspec.structs.fields(kind)
    for each in known:
        where = join(field, each.encode_name)
        if each.encode_name in fields:
            yield from _problems(each.type, fields[each.encode_name], form, where)
        elif each.required:
            yield field_error(where, "is required")
    if kind.__struct_config__.forbid_unknown_fields:
        names = {each.encode_name for each in known} | {kind.__struct_config__.tag_field}
        yield from (field_error(join(field, name), "is unknown") for name in fields if name not in names)


def _problem(error: msgspec.ValidationError, field: str) -> FieldError:
    located = _WHERE.match(str(error))
    if located is None:
        return field_error(field, str(error))
    return field_error((field + located["path"]).removeprefix("."), located["message"])


def field_error(field: str, message: str) -> FieldError:
    """A problem in words of a length that a person reads: both may quote what a peer has sent."""
    return FieldError(_shortened(field), _shortened(message))


def join(field: str, name: str) -> str:
    """The name of a field inside of another."""
    return _shortened(f"{field}.{name}" if field else name)


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 1] + "…"
