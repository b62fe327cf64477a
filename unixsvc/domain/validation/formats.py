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
from unixsvc.domain.validation.pydantic_models import decode_model, decode_model_texts
from unixsvc.domain.validation.type_forms import FloatKey, TypeForm

__all__ = ["DECODED", "ENCODED", "QUERY", "InputFormat"]

# A string of JSON that Decimal() may accept although it is no number of JSON: it has spaces, underscores,
# digits of other scripts or escapes, or names what is not finite. Possessive: no part is matched twice.
_ODD_NUMBER: Final = re.compile(
    r'"[-+.eE0-9]*+(?:[\s_nNsSiI\\]|(?![0-9])\d)[-+.eE\d\s_nNaAsSiIfFtTyYbBcCdDuUrR\\]*+"'
)
_MAX_ODD_NUMBERS: Final = 8  # that are searched one by one


class InputFormat(msgspec.Struct, frozen=True):
    """A representation of values.

    The functions raise :class:`msgspec.ValidationError`.

    :ivar convert: converts a value to a type.
    :ivar fields: returns the fields of an object.
    :ivar items: returns the items of a list.
    :ivar join: makes a list of values.
    :ivar size: returns the number of bytes of a value; 0 for objects, which were decoded already.
    :ivar kind: returns ``object``, ``array`` or, for other values, an empty string.
    :ivar text: returns the value if it is a string, else None.
    :ivar odd_parts: returns a function that says which parts of a value may have numbers that JSON has not;
        None if the value has no such numbers. It may err on the safe side.
    :ivar opaque: a type to which every value can be converted at no cost.
    :ivar numbers: the numeric types for which text stands, or which may be infinite.
    """

    convert: Callable[[Json, Any], Json]
    fields: Callable[[Json], JsonObject]
    items: Callable[[Json], list[Json]]
    join: Callable[[Sequence[Json]], Json]
    size: Callable[[Json], int]
    kind: Callable[[Json], str]
    text: Callable[[Json], str | None]
    odd_parts: Callable[[Json], Callable[[Json], bool] | None]
    opaque: Any
    numbers: tuple[type, ...]


# Fields of encoded JSON are decoded only with their types: without types, 600 kB of "[]" become 13 MB of
# lists. A decoder for a type that is no class takes 3 µs to make.
@lru_cache(4096)
def _decoder(type_form: TypeForm) -> Callable[[Json], Json]:
    return msgspec.json.Decoder(type_form, dec_hook=decode_model).decode


def _first_byte(value: bytes) -> bytes:
    text = memoryview(value)
    return bytes(text[:1]) if text[0] > 0x20 else bytes(value).lstrip()[:1]


def _kind_of_json(value: bytes) -> str:
    return {b"{": "object", b"[": "array"}.get(_first_byte(value), "")


def _kind_of_object(value: Json) -> str:
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list | tuple) else ""


def _text_of_json(value: bytes) -> str | None:
    return _decoder(str)(value) if _first_byte(value) == b'"' else None


def _odd_parts_of_json(value: bytes) -> Callable[[Json], bool] | None:
    found: set[bytes] = set()
    for match in _ODD_NUMBER.finditer(bytes(value).decode("utf-8", "replace")):
        token = match[0].encode()
        if token not in found and _stands_for_number(token):
            found.add(token)
            if len(found) > _MAX_ODD_NUMBERS:
                return _has_odd_number
    return (lambda part: any(token in bytes(part) for token in found)) if found else None


def _has_odd_number(part: bytes) -> bool:
    return _ODD_NUMBER.search(bytes(part).decode("utf-8", "replace")) is not None


def _stands_for_number(token: bytes) -> bool:
    try:
        _decoder(Decimal)(token)
    except msgspec.DecodeError:
        return False
    return True


def _text_of_object(value: Json) -> str | None:
    return value if isinstance(value, str) else repr(value) if isinstance(value, float) else None


ENCODED = InputFormat(
    convert=lambda value, type_form: _decoder(type_form)(value),
    fields=msgspec.json.Decoder(dict[str, Raw]).decode,
    items=msgspec.json.Decoder(list[Raw]).decode,
    join=lambda values: b"[" + b",".join(values) + b"]",
    size=lambda value: memoryview(value).nbytes,
    kind=_kind_of_json,
    text=_text_of_json,
    odd_parts=_odd_parts_of_json,
    opaque=Raw,
    numbers=(Decimal, FloatKey),
)
"""JSON as bytes."""
DECODED = InputFormat(
    convert=lambda value, type_form: msgspec.convert(value, type_form, dec_hook=decode_model),
    fields=lambda value: msgspec.convert(value, JsonObject),
    items=lambda value: msgspec.convert(value, list[Any]),
    join=list,
    size=lambda value: 0,
    kind=_kind_of_object,
    text=_text_of_object,
    odd_parts=lambda value: lambda part: True,
    opaque=Any,
    numbers=(Decimal, float, FloatKey),
)
"""Objects as ``json.loads`` and ``tomllib.loads`` return them."""
QUERY = msgspec.structs.replace(
    DECODED,
    convert=lambda value, type_form: msgspec.convert(
        value, type_form, strict=False, dec_hook=decode_model_texts
    ),
)
"""The fields of a query: numbers and booleans are strings."""
