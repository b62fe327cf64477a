"""The representations of values that are validated."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec
from msgspec import Raw

from unixsvc.domain.json import Json, JsonObject
from unixsvc.domain.validation.type_forms import FloatKey, TypeForm

__all__ = ["DECODED", "ENCODED", "QUERY", "InputFormat"]

# A string of JSON that Decimal() may accept although it is no number of JSON: one that has other characters
# among its digits, or names what is not finite. Possessive, so that no part is matched twice.
_ODD_NUMBER: Final = re.compile(
    rb'"[-+.0-9eE]*+(?:[ _\\\x80-\xff]|[sS]?[nN][aA][nN]|[iI][nN][fF])[-+.0-9A-Za-z _\\\x80-\xff]*+"'
)


class InputFormat(msgspec.Struct, frozen=True):
    """A representation of values.

    The functions raise :class:`msgspec.ValidationError`.

    :ivar convert: converts a value to a type.
    :ivar fields: returns the fields of an object.
    :ivar items: returns the items of a list.
    :ivar join: makes a list of values.
    :ivar kind: returns ``object``, ``array`` or, for other values, an empty string.
    :ivar text: returns the value if it is a string, else None.
    :ivar may_be_odd: returns false if a value certainly has no numbers that JSON has not.
    :ivar opaque: a type to which every value can be converted at no cost.
    :ivar numbers: the numeric types for which text stands, or which may be infinite.
    """

    convert: Callable[[Json, Any], Json]
    fields: Callable[[Json], JsonObject]
    items: Callable[[Json], list[Json]]
    join: Callable[[Sequence[Json]], Json]
    kind: Callable[[Json], str]
    text: Callable[[Json], str | None]
    may_be_odd: Callable[[Json], bool]
    opaque: Any
    numbers: tuple[type, ...]


# Fields of encoded JSON are decoded only with their types: without types, 600 kB of "[]" become 13 MB of
# lists. A decoder for a type that is no class takes 3 µs to make.
@lru_cache(4096)
def _decoder(type_form: TypeForm) -> Callable[[Json], Json]:
    return msgspec.json.Decoder(type_form).decode


def _first_byte(value: bytes) -> bytes:
    text = memoryview(value)
    return bytes(text[:1]) if text[0] > 0x20 else bytes(value).lstrip()[:1]


def _kind_of_json(value: bytes) -> str:
    return {b"{": "object", b"[": "array"}.get(_first_byte(value), "")


def _kind_of_object(value: Json) -> str:
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list | tuple) else ""


def _text_of_json(value: bytes) -> str | None:
    return _decoder(str)(value) if _first_byte(value) == b'"' else None


def _text_of_object(value: Json) -> str | None:
    return value if isinstance(value, str) else repr(value) if isinstance(value, float) else None


ENCODED = InputFormat(
    convert=lambda value, type_form: _decoder(type_form)(value),
    fields=msgspec.json.Decoder(dict[str, Raw]).decode,
    items=msgspec.json.Decoder(list[Raw]).decode,
    join=lambda values: b"[" + b",".join(values) + b"]",
    kind=_kind_of_json,
    text=_text_of_json,
    may_be_odd=lambda value: _ODD_NUMBER.search(value) is not None,
    opaque=Raw,
    numbers=(Decimal, FloatKey),
)
"""JSON as bytes."""
DECODED = InputFormat(
    convert=msgspec.convert,
    fields=lambda value: msgspec.convert(value, JsonObject),
    items=lambda value: msgspec.convert(value, list[Any]),
    join=list,
    kind=_kind_of_object,
    text=_text_of_object,
    may_be_odd=lambda value: True,
    opaque=Any,
    numbers=(Decimal, float, FloatKey),
)
"""Objects as ``json.loads`` and ``tomllib.loads`` return them."""
QUERY = msgspec.structs.replace(
    DECODED, convert=lambda value, type_form: msgspec.convert(value, type_form, strict=False)
)
"""The fields of a query: numbers and booleans are strings."""
