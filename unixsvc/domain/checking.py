"""Says what is wrong with a value, field by field, where the decoder stops at the first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_args, get_origin

import msgspec

__all__ = ["JSON", "PLAIN", "TEXT", "Form", "Problem", "find_problems"]

_WHERE = re.compile(r"(?P<message>.*?) - at `(?:key in )?\$?(?P<path>.*)`$", re.DOTALL)


class Problem(msgspec.Struct, frozen=True):
    """One field, as ``address.city`` or ``tags[0]``, and what is wrong with it."""

    field: str
    message: str


class Form(msgspec.Struct, frozen=True):
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
JSON = Form(lambda value, kind: msgspec.json.decode(value, type=kind), _open_json)
PLAIN = Form(lambda value, kind: msgspec.convert(value, kind), _open_plain)
TEXT = Form(lambda value, kind: msgspec.convert(value, kind, strict=False), _open_plain)


def find_problems(kind: Any, value: Any, form: Form, field: str = "") -> list[Problem]:
    """List what keeps ``value`` from being a ``kind``; empty if nothing does.

    :param kind: any type that msgspec knows; structs and dicts are looked into.
    :param form: how ``value`` comes.
    :param field: where ``value`` itself stands.
    """
    inner = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    found: list[Problem] = []
    try:
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            found = _problems_of_struct(inner, form.fields(value), form, field)
        elif get_origin(inner) is dict:
            for key, item in form.fields(value).items():
                found += find_problems(get_args(inner)[1], item, form, _join(field, key))
        if not found:
            form.convert(value, kind)
    except msgspec.ValidationError as error:
        found = [_problem(error, field)]
    return found


def _problems_of_struct(
    kind: type[msgspec.Struct], fields: Mapping[str, Any], form: Form, field: str
) -> list[Problem]:
    found = []
    known = msgspec.structs.fields(kind)
    for each in known:
        where = _join(field, each.encode_name)
        if each.encode_name in fields:
            found += find_problems(each.type, fields[each.encode_name], form, where)
        elif each.required:
            found.append(Problem(where, "is required"))
    if kind.__struct_config__.forbid_unknown_fields:
        names = {each.encode_name for each in known}
        found += [Problem(_join(field, name), "is unknown") for name in fields if name not in names]
    return found


def _problem(error: msgspec.ValidationError, field: str) -> Problem:
    located = _WHERE.match(str(error))
    if located is None:
        return Problem(field, str(error))
    return Problem((field + located["path"]).removeprefix("."), located["message"])


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name
