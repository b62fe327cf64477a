"""The fields that an application adds to an event, as values of JSON of limited size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from unixsvc.domain.json import Json, JsonObject
from unixsvc.telemetry.log_record import limited_text

__all__ = ["json_fields"]

_MAX_ALL: Final = 8_000  # characters, of all values and names
_MAX_VALUE: Final = 2_000
_MAX_TEXT: Final = _MAX_VALUE - len('"… "')  # a value that is cut stays as it is when it is limited again
_MAX_NAME: Final = 100
_MAX_DEPTH: Final = 8
_MAX_ITEMS: Final = 200
_MAX_INTEGER: Final = 2**63
_OMITTED: Final = "omitted_fields"


def json_fields(fields: Mapping[str, object]) -> JsonObject:
    """Return fields whose names and values may be anything.

    Values of JSON stay what they are. Others are their texts: an object may have a ``__repr__`` that hides
    its secrets. The beginning of a long value is cut off; fields that are too much for an event are replaced
    by their number.
    """
    found: JsonObject = {}
    left, omitted = _MAX_ALL, 0
    for name, value in fields.items():
        key = limited_text(name, _MAX_NAME)
        try:
            plain = _plain(value, _MAX_DEPTH)
            size = len(key) + len(msgspec.json.encode(plain).decode())
        except RecursionError:
            plain, size = "…", len(key) + 1
        if size > _MAX_VALUE + len(key):
            plain = limited_text(value, _MAX_TEXT)
            size = len(key) + len(plain)
        if size > left and key != _OMITTED:
            omitted += 1
            continue
        left -= size
        found[key] = plain
    if omitted:
        found[_OMITTED] = omitted
    return found


def _plain(value: object, depth: int) -> Json:
    kind = type(value)  # exactly: a subclass may show something else, as enums do
    if value is None or kind is bool:
        return value
    if isinstance(value, float) and kind is float:
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int) and kind is int:
        return value if -_MAX_INTEGER <= value < _MAX_INTEGER else limited_text(value, _MAX_TEXT)
    if kind in (list, tuple, dict) and not depth:
        return "…"
    if isinstance(value, list | tuple) and kind in (list, tuple):
        return [_plain(each, depth - 1) for each in value[:_MAX_ITEMS]]
    if isinstance(value, dict) and kind is dict:
        items = [*value.items()][:_MAX_ITEMS]
        return {limited_text(name, _MAX_NAME): _plain(each, depth - 1) for name, each in items}
    return limited_text(value, _MAX_TEXT)
