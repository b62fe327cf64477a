"""Search of a value that is encoded as JSON for infinity and NaN, which JSON has not."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import msgspec

from unixsvc.domain.json import Json
from unixsvc.domain.validation.field_errors import join, shortened

__all__ = ["NotFinite", "find_endless_number"]

_encode_binary: Final = msgspec.msgpack.Encoder().encode
# In MessagePack, a float is 0xcb and eight bytes; all bits of its exponent are set for infinity and NaN.
_ENDLESS_FLOAT: Final = re.compile(rb"\xcb[\x7f\xff][\xf0-\xff]")


class NotFinite(ValueError):
    """A value that is to be sent contains infinity or NaN.

    :param place: the field, as ``items[3].price``.
    :param remedy: what to do.
    """

    def __init__(self, place: str, value: object, remedy: str) -> None:
        super().__init__(f"{place} is {value}, which JSON has no number for: {remedy}")


def find_endless_number(value: object, body: bytes, *, floats: bool) -> tuple[str, object] | None:
    """Find a number that is infinite or NaN.

    :param body: the value as JSON, where such a float is null and such a Decimal a string: a short search
        there excludes most values.
    :param floats: false to search for Decimals only.
    :returns: the field, empty for the value itself, and the number; None if there is none.
    """
    suspect = body.find(b"NaN") >= 0 or body.find(b"Infinity") >= 0
    if suspect or (floats and body.find(b"null") >= 0 and _may_have_endless_float(value)):
        return next(_numbers_in(value, "", floats=floats), None)
    return None


def _may_have_endless_float(value: object) -> bool:
    """Return whether a value has an infinite float or NaN, not just a None. It may err on the safe side."""
    try:
        return _ENDLESS_FLOAT.search(_encode_binary(value)) is not None
    except (TypeError, ValueError, OverflowError):  # MessagePack has smaller integers
        return True


def _numbers_in(value: Json, place: str, *, floats: bool) -> Iterator[tuple[str, object]]:
    """Yield the numbers that are not finite."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, float):
        if floats and not math.isfinite(value):
            yield place, value
    elif isinstance(value, Decimal):
        if not value.is_finite():
            yield place, value
    elif isinstance(value, list | tuple | set | frozenset):
        for at, item in enumerate(value):
            yield from _numbers_in(item, shortened(f"{place}[{at}]"), floats=floats)
    else:
        for name, item in _fields_of(value).items():
            yield from _numbers_in(item, join(place, str(name)), floats=floats)


def _fields_of(value: Json) -> Mapping[Any, Json]:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return {encoded: getattr(value, name) for encoded, name in names}
    if hasattr(value, "__dataclass_fields__") or hasattr(value, "__attrs_attrs__"):
        fields = getattr(value, "__dataclass_fields__", None) or [each.name for each in value.__attrs_attrs__]
        return {name: getattr(value, name) for name in fields if hasattr(value, name)}
    return {}
