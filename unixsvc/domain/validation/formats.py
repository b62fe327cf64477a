"""The representations of values that are validated."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from unixsvc.domain.json import Json
from unixsvc.domain.validation.type_forms import FloatKey

__all__ = ["DECODED", "ENCODED", "QUERY", "InputFormat"]


class InputFormat(msgspec.Struct, frozen=True):
    """A representation of values.

    The functions raise :class:`msgspec.ValidationError`.

    :ivar name: of the representation.
    :ivar convert: converts a value to a type.
    :ivar kind: returns ``object``, ``array`` or, for other values, an empty string.
    :ivar text: returns the value if it is a string, else None.
    :ivar opaque: a type to which every value can be converted at no cost.
    :ivar numbers: the numeric types for which text stands, or which may be infinite.
    """

    name: str
    convert: Callable[[Json, Any], Json]
    kind: Callable[[Json], str]
    text: Callable[[Json], str | None]
    opaque: Any
    numbers: tuple[type, ...]


def _kind_of_json(value: bytes) -> str:
    return {b"{": "object", b"[": "array"}.get(_first_byte(value), "")


def _first_byte(value: bytes) -> bytes:
    text = memoryview(value)
    return bytes(text[:1]) if text[0] > 0x20 else bytes(value).lstrip()[:1]


def _kind_of_object(value: Json) -> str:
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list | tuple) else ""


def _text_of_json(value: bytes) -> str | None:
    return msgspec.json.decode(value, type=str) if _first_byte(value) == b'"' else None


def _text_of_object(value: Json) -> str | None:
    return value if isinstance(value, str) else repr(value) if isinstance(value, float) else None


# Fields of encoded JSON are decoded only with their types: without types, 600 kB of "[]" become 13 MB of
# lists.
ENCODED = InputFormat(
    "encoded",
    lambda value, type_form: msgspec.json.decode(value, type=type_form),
    _kind_of_json,
    _text_of_json,
    msgspec.Raw,
    (Decimal, FloatKey),
)
"""JSON as bytes."""
DECODED = InputFormat(
    "decoded", msgspec.convert, _kind_of_object, _text_of_object, Any, (Decimal, float, FloatKey)
)
"""Objects as ``json.loads`` and ``tomllib.loads`` return them."""
QUERY = InputFormat(
    "query",
    lambda value, type_form: msgspec.convert(value, type_form, strict=False),
    _kind_of_object,
    _text_of_object,
    Any,
    (Decimal, float, FloatKey),
)
"""The fields of a query: numbers and booleans are strings."""
